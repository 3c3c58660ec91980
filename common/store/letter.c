/*
 * The name of a letter's file from its row, and the row from the name. Nothing here touches
 * the disk.
 */
#include "store/mailbox_impl.h"

/* ---- printing: a hundred thousand names in a few milliseconds ---- */

struct out {
    char *p;
    size_t n; /* may pass NAME_BYTES: then nothing more is written */
};

static void put(struct out *o, const char *p, size_t n)
{
    if (o->n + n <= NAME_BYTES)
        memcpy(o->p + o->n, p, n);
    o->n += n;
}

static void put_number(struct out *o, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    put(o, digits + at, sizeof(digits) - at);
}

static void put_letters(struct out *o, uint32_t bits, char first)
{
    for (; bits; bits &= bits - 1) {
        char c = (char)(first + __builtin_ctz(bits));

        put(o, &c, 1);
    }
}

size_t letter_name(char to[NAME_BYTES + 1], const struct letter_row *l, uint32_t uidvalidity)
{
    struct out o = {.p = to};

    put(&o, l->unique.p, l->unique.n);
    if (l->rest.p) {
        put(&o, l->rest.p, l->rest.n);
    } else {
        if (l->form & FORM_SIZE) {
            put(&o, ",S=", 3);
            put_number(&o, l->size);
        }
        if (l->form & FORM_VSIZE) {
            put(&o, ",W=", 3);
            put_number(&o, l->vsize);
        }
        if (l->form & FORM_UID) {
            put(&o, ",P=", 3);
            put_number(&o, uidvalidity);
            put(&o, ".", 1);
            put_number(&o, l->uid);
        }
        if (l->form & FORM_INFO) {
            put(&o, ":2,", 3);
            put_letters(&o, l->flags, 'A');
            put_letters(&o, l->keywords, 'a');
        }
    }
    if (o.n > NAME_BYTES)
        return 0;
    to[o.n] = '\0';
    return o.n;
}

/* ---- parsing ---- */

static bool prints(const struct letter_row *l, struct str name, uint32_t uidvalidity)
{
    char usual[NAME_BYTES + 1];

    return str_eq((struct str){usual, letter_name(usual, l, uidvalidity)}, name);
}

void letter_of_name(struct letter_row *l, struct str s, const struct name *n,
                    uint32_t uidvalidity)
{
    *l = (struct letter_row){
        .uid = name_uid(n, uidvalidity),
        .unique = str_first(s, n->unique.n),
        .size = n->size,
        .vsize = n->vsize,
        .has_vsize = n->has_vsize,
        /* as many octets in the file as on the wire: its line ends are CRLF */
        .crlf = n->has_size && n->has_vsize && n->size == n->vsize,
        .flags = n->flags,
        .keywords = n->keywords,
        .internaldate = LETTER_NO_TIME,
        .savedate = LETTER_NO_TIME,
    };
    l->form = (n->has_size ? FORM_SIZE : 0u) | (n->has_vsize ? FORM_VSIZE : 0u) |
              (l->uid ? FORM_UID : 0u) | (n->has_info ? FORM_INFO : 0u);
    if (!prints(l, s, uidvalidity))
        l->rest = str_skip(s, n->unique.n);
}

/* Is there room left for flags? Other names are no letters (name_parse()). */
static bool has_room(struct str name)
{
    return name.n <= NAME_BYTES && str_find(name, ':') <= NAME_BYTES - NAME_INFO_BYTES;
}

/* Fields go until it fits, those first that can be found out again. */
static bool print_to_fit(struct name *n, char to[NAME_BYTES + 1], size_t *length)
{
    struct buf text;
    bool fits = false;

    buf_init(&text, (size_t)4 * NAME_BYTES);
    for (;;) {
        buf_clear(&text);
        name_print(&text, n);
        fits = !buf_failed(&text) && has_room(buf_str(&text));
        if (fits || !(n->has_vsize || n->has_size || n->others_n || n->has_uid))
            break;
        if (n->has_vsize)
            n->has_vsize = false;
        else if (n->has_size)
            n->has_size = false;
        else if (n->others_n)
            n->others_n = 0;
        else
            n->has_uid = false;
    }
    if (fits) {
        *length = buf_str(&text).n;
        memcpy(to, buf_c(&text), *length + 1);
    }
    buf_done(&text);
    return fits;
}

/* What the row says beyond its name stays; the strings of *l are those of `room`. */
static void take_name(struct letter_row *l, char room[NAME_BYTES + 1], size_t length,
                      uint32_t uidvalidity)
{
    struct letter_row was = *l;
    struct name n;

    name_parse((struct str){room, length}, &n);
    letter_of_name(l, (struct str){room, length}, &n, uidvalidity);
    l->uid = was.uid;
    l->size = was.size;
    l->vsize = was.vsize;
    l->has_vsize = was.has_vsize;
    l->crlf = was.crlf;
    l->modseq = was.modseq;
    l->internaldate = was.internaldate;
    l->savedate = was.savedate;
    l->emailid = was.emailid;
    /* of a damaged letter it says another size (boxfolder_correct()) */
    if (!l->rest.p && !prints(l, (struct str){room, length}, uidvalidity))
        l->rest = str_skip((struct str){room, length}, l->unique.n);
}

static int rename_row(struct letter_row *l, uint32_t flags, uint32_t keywords, bool number,
                      uint32_t uidvalidity, char room[NAME_BYTES + 1], struct err *err)
{
    char old[NAME_BYTES + 1];
    struct name n;
    size_t length = letter_name(old, l, uidvalidity);

    if (length == 0 || !name_parse((struct str){old, length}, &n))
        return err_set(err, E_LIMIT, "the name of a letter cannot be changed");
    n.flags = flags;
    n.keywords = keywords;
    n.has_info = true;
    if (number) {
        n.has_uid = true;
        n.uidvalidity = uidvalidity;
        n.uid = l->uid;
        n.has_size = true;
        n.size = l->size;
    }
    if (!print_to_fit(&n, room, &length))
        return err_set(err, E_LIMIT, "the name of a letter has no room for its flags");
    take_name(l, room, length, uidvalidity);
    return 0;
}

int letter_set_flags(struct letter_row *l, uint32_t flags, uint32_t keywords,
                     uint32_t uidvalidity, char room[NAME_BYTES + 1], struct err *err)
{
    struct letter_row changed = *l;

    changed.flags = flags;
    changed.keywords = keywords;
    changed.form |= FORM_INFO;
    if (!l->rest.p && letter_name(room, &changed, uidvalidity)) {
        *l = changed;
        return 0;
    }
    return rename_row(l, flags, keywords, false, uidvalidity, room, err);
}

int letter_set_uid(struct letter_row *l, uint32_t uid, uint32_t uidvalidity,
                   char room[NAME_BYTES + 1], struct err *err)
{
    struct letter_row changed = *l;

    l->uid = changed.uid = uid;
    changed.form |= FORM_INFO | FORM_UID | FORM_SIZE;
    if (!l->rest.p && letter_name(room, &changed, uidvalidity) && has_room(str_c(room))) {
        *l = changed;
        return 0;
    }
    return rename_row(l, l->flags, l->keywords, true, uidvalidity, room, err);
}
