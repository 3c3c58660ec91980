/* replay - runs a fuzz target over the files of a folder, with any compiler. A folder that is
 * missing or empty fails. */
#include "base/defer.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 4 << 20 };

static int replay_file(const char *dir, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    DEFER(close_file) FILE *f = fopen(path, "rb");
    DEFER(free_mem) uint8_t *bytes = malloc(INPUT_BYTES_MAX);
    if (!f || !bytes)
        return 0;
    size_t n = fread(bytes, 1, INPUT_BYTES_MAX, f);
    /* a block of its exact size, so that ASan sees one byte too far */
    DEFER(free_mem) uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        return 0;
    memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    return 1;
}

int main(int argc, char **argv)
{
    DEFER(close_dir) DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *e;
    int count = 0;

    if (!d)
        return 2;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            count += replay_file(argv[1], e->d_name);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
