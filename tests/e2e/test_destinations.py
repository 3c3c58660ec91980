"""Whose turn it is among letters for others: destinations that do not answer hold up nobody and are not asked by each letter, senders have turns,
and domains of the same hosts share what may be under way to them."""
import re
import threading

from posta import DOMAIN, free_ports, system, until
from smtp_liar import CLOSE, Liar
from test_send import QUICK, arrived, send, waits

MANY = 60


def routes(places):
    return " ".join(f'route "{d}" {{ to = "127.0.0.1:{p}" tls = "never" }}' for d, p in places.items())


def test_many_letters_for_the_dead_are_few_connections():
    dead, good = free_ports(2)
    limits = 'free_bytes = "1M" free_inodes = 10 retry_first_seconds = 60 retry_max_seconds = 60'
    with Liar({"greeting": CLOSE}, port=dead) as nobody, Liar(port=good) as liar:
        with system(sections={"mta": routes({"dead.test": dead, "good.test": good}), "limits": limits}) as posta:
            for i in range(MANY):
                send(posta, f"u{i}@dead.test")
            send(posta, "bob@good.test")
            arrived(posta, liar)
            last = waits(posta, f"u{MANY - 1}@dead.test", "not tried now, since the last try failed: ")
            assert "the connection ended" in last["reply"], "why is said"
            assert len(nobody.heard) <= 10, "the window it began with, and those that were under way"
            assert len(posta.json("queue", "list")) == MANY and not posta.letters("alice")
            nobody.says.clear()
            posta.cli("queue", "flush")  # by hand all are asked for
            arrived(posta, nobody, MANY)
            posta.drained()


def told(posta, action):
    """For how many recipients, and of how many in all, alice was told so."""
    said = [m for f in posta.letters("alice") for m in re.findall(rf"Final-Recipient: rfc822; (\S+)\n(?:\S.*\n)*?Action: {action}", f.read_text())]
    return len(set(said)), len(said)


def test_X20_each_letter_is_told_late_and_ended_once_though_few_were_tried():
    dead, = free_ports(1)
    limits = 'free_bytes = "1M" free_inodes = 10 retry_first_seconds = 1 retry_max_seconds = 1 delay_notice_seconds = 2 queue_life_seconds = 8'
    with system(sections={"mta": routes({"dead.test": dead}), "limits": limits}) as posta:
        for i in range(15):
            send(posta, f"u{i}@dead.test")
        until(lambda: told(posta, "failed")[0] == 15, lambda: f"all to be given up: {told(posta, 'failed')}\n{posta.log()[-3000:]}")
        posta.drained()
        assert told(posta, "failed") == (15, 15) and told(posta, "delayed") == (15, 15)
        assert "not tried now" in posta.log()


def test_one_sender_does_not_hold_up_another():
    port, = free_ports(1)
    go = threading.Event()

    def wait(conversation, line):
        go.wait(60)
        return "250 ok"

    limits = QUICK + " send_connections_per_destination = 1"
    with Liar({"MAIL": wait}, port=port) as liar, system(sections={"mta": routes({"d.test": port}), "limits": limits}) as posta:
        for i in range(20):
            send(posta, "bob@d.test", text=f"Subject: alice {i}\n\nx\n")
        send(posta, "bob@d.test", sender=f"bob@{DOMAIN}", text="Subject: bob\n\nx\n")
        until(lambda: len(posta.json("queue", "list")) == 21, "all in the queue")
        go.set()
        arrived(posta, liar, 21)
        order = [letter.split(b"Subject: ", 1)[1].split(b"\r\n")[0].decode() for letter in liar.letters]
        assert order.index("bob") <= 2, order


def test_domains_of_one_host_share_its_window():
    port, = free_ports(1)
    lock, state = threading.Lock(), {"now": 0, "most": 0}

    def begin(conversation, line):
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        return "250 ok"

    def end(conversation, line):
        with lock:
            state["now"] -= 1
        return "250 kept"

    domains = [f"d{i}.test" for i in range(4)]
    limits = QUICK + " send_connections_per_destination = 2"
    with Liar({"MAIL": begin, ".": end}, port=port) as liar, system(sections={"mta": routes({d: port for d in domains}), "limits": limits}) as posta:
        for d in domains:
            send(posta, f"bob@{d}")  # now it is known who their host is
        arrived(posta, liar, 4)
        posta.drained()
        state["most"] = 0
        for i in range(10):
            send(posta, *[f"u{i}@{d}" for d in domains])
        arrived(posta, liar, 44)
        posta.drained()
        assert 1 <= state["most"] <= 2
