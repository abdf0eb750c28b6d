"""Log records by mail (pillarbox.logs)."""

import logging
import logging.config
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pillarbox.logs import MailHandler
from pillarbox.testing import SmtpServer

FORM = logging.Formatter("%(levelname)s %(message)s")


@pytest.fixture
def handlers(smtp_server: SmtpServer) -> Iterator[Any]:
    """Makes handlers that mail by the server for tests; they are closed at the end."""
    made: list[MailHandler] = []

    def make(**options: Any) -> MailHandler:
        usual = {
            "server": f"smtp://{smtp_server.host}:{smtp_server.port}",
            "auth": (smtp_server.username, smtp_server.password),
            "ca_file": str(smtp_server.ca_file),
            "sender": "app@example.com",
            "to": "admin@example.net",
            "interval": 0.05,
            "close_timeout": 30.0,
        }
        handler = MailHandler(**{**usual, **options})
        handler.setFormatter(FORM)
        made.append(handler)
        return handler

    yield make
    for handler in made:
        handler.close()


def log(handler: MailHandler, *texts: str) -> None:
    """Records of an error each, as a logger makes them."""
    for text in texts:
        handler.handle(logging.makeLogRecord({"levelno": 40, "levelname": "ERROR", "msg": text}))


def test_records_of_a_while_are_one_message(handlers: Any, smtp_server: SmtpServer) -> None:
    """The subject is the first one, and says how many there are."""
    handler = handlers(interval=3600)
    log(handler, "disk full\n  at line 7", "disk still full", "gave up")

    handler.flush()

    [message] = smtp_server.messages
    assert message.subject == "ERROR: disk full (and 2 more)"
    assert message.recipients == ("admin@example.net",)
    assert "ERROR disk full\n  at line 7\n\nERROR disk still full" in message.text
    assert "ERROR gave up" in message.text
    assert handler.waiting == 0


def test_what_is_too_much_for_one_message_makes_several(
    handlers: Any, smtp_server: SmtpServer
) -> None:
    """All of it goes with one flush; a single record is cut."""
    handler = handlers(interval=3600)
    log(handler, *(f"{number} " + "x" * 60_000 for number in range(25)))

    handler.flush()

    assert [message.subject[-13:] for message in smtp_server.messages] == [
        "(and 19 more)",
        " (and 4 more)",
    ]
    assert max(len(message.raw) for message in smtp_server.messages) < 1_500_000


def test_message_goes_by_itself_after_the_interval(handlers: Any, smtp_server: SmtpServer) -> None:
    """Nobody has to flush."""
    log(handlers(), "alone")

    assert "ERROR alone" in smtp_server.wait_for(subject="ERROR: alone").text


def test_end_of_the_program_may_wait_as_long_as_it_takes(
    handlers: Any, smtp_server: SmtpServer
) -> None:
    """Without a limit the attempt has one of its own."""
    handler = handlers(interval=3600, close_timeout=None)
    log(handler, "the end")

    handler.close()

    assert smtp_server.messages[0].subject == "ERROR: the end"


def test_record_that_is_no_text_keeps_none_back(handlers: Any, smtp_server: SmtpServer) -> None:
    """The name of a file that is no UTF-8, and a NUL: it is mailed, as is what came after."""
    handler = handlers(interval=3600)
    log(handler, "no such file: na\udcefve\0.txt", "next")

    handler.flush()

    assert handler.last_error == ""
    [message] = smtp_server.messages
    assert "no such file: na\\udcefve\ufffd.txt\n\nERROR next" in message.text


def test_program_never_waits_for_the_mail(handlers: Any, smtp_server: SmtpServer) -> None:
    """The server hangs; ten thousand records are taken meanwhile, those without room are counted
    and told when mail goes again."""
    smtp_server.hang("ehlo", times=None)
    handler = handlers(capacity=100, timeout=1.0, interval=0.0)
    log(handler, "first")

    begin = time.process_time()
    log(handler, *(f"record {number}" for number in range(10_000)))
    spent = time.process_time() - begin

    assert handler.waiting == 100
    assert spent < 5.0
    handler.flush()
    assert handler.last_error
    smtp_server.faults.clear()
    handler.flush()
    assert "9901 records were dropped" in smtp_server.wait_for().text


def test_records_wait_while_the_server_is_away(handlers: Any, smtp_server: SmtpServer) -> None:
    """Nothing is lost by a refusal, and nothing is mailed twice."""
    smtp_server.fail("mail", "451 4.3.2 Not now")
    handler = handlers(interval=3600)
    log(handler, "one")

    handler.flush()
    assert (handler.waiting, "Not now" in handler.last_error) == (1, True)
    log(handler, "two")
    handler.flush()

    [message] = smtp_server.messages
    assert message.subject == "ERROR: one (and 1 more)"
    assert handler.last_error == ""


@pytest.mark.smtp_server(size_limit_octets=20_000)
def test_record_that_is_refused_for_good_keeps_none_back(
    handlers: Any, smtp_server: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is too large for the server: all others are mailed at once, with word of it, and it is
    told once on standard error, whole."""
    handler = handlers(interval=3600)
    log(handler, "one", "large " + "x" * 40_000 + " end", *(f"more {n}" for n in range(4)))

    handler.flush()

    assert handler.waiting == 0
    mailed = "\n".join(message.text for message in smtp_server.messages)
    assert [mailed.count(text) for text in ("one", "more 0", "more 1", "more 2", "more 3")] == [
        *(1, 1, 1, 1, 1)
    ]
    told = capsys.readouterr().err
    assert told.count("refused for good") == 1
    assert "x end\n" in told
    log(handler, "later")
    handler.flush()
    assert "ERROR later\n\n1 records were refused by the server" in smtp_server.messages[-1].text


def test_records_wait_where_the_server_refuses_all(
    handlers: Any, smtp_server: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mailbox that is not there now may be there tomorrow: nothing is given up, the server is not
    asked more often than it takes to find one record among them, and it is told once."""
    smtp_server.fail("rcpt", "550 5.1.1 Nobody here", times=None)
    handler = handlers(interval=3600)
    log(handler, *(f"record {n}" for n in range(20)))

    for _ in range(3):
        handler.flush()

    assert handler.waiting == 20
    assert "Nobody here" in handler.last_error
    assert capsys.readouterr().err.count("Nobody here") == 1
    assert smtp_server.faults.hits < 12
    smtp_server.faults.clear()
    handler.flush()
    mailed = "\n".join(message.text for message in smtp_server.messages)
    assert [mailed.count(f"record {n}\n") for n in range(20)] == [1] * 20
    assert len(smtp_server.messages) < 10


def test_last_records_go_at_the_end_of_the_program(smtp_server: SmtpServer) -> None:
    """Configured by a dict, as programs do it; nothing is said but what is logged."""
    code = f"""
import logging.config
logging.config.dictConfig({{
    "version": 1,
    "handlers": {{"mail": {{
        "class": "pillarbox.logs.MailHandler",
        "server": "smtps://{smtp_server.host}:{smtp_server.tls_port}",
        "ca_file": "{smtp_server.ca_file}",
        "sender": "app@example.com",
        "to": ["admin@example.net"],
        "subject": "From the program",
        "interval": 3600,
        "close_timeout": 60,
    }}}},
    "root": {{"handlers": ["mail"]}},
}})
logging.getLogger("app").error("the end")
logging.getLogger("app").warning("not this")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )

    assert (done.returncode, done.stderr) == (0, "")
    message = smtp_server.wait_for(subject="From the program")
    assert "the end" in message.text
    assert "not this" not in message.text


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_mails_its_own_records(handlers: Any, smtp_server: SmtpServer) -> None:
    """What waited in the parent is mailed by the parent alone."""
    handler = handlers(interval=3600)
    log(handler, "of the parent")

    child = os.fork()
    if child == 0:
        log(handler, "of the child")
        handler.flush()
        os._exit(0 if not handler.last_error else 1)
    _, status = os.waitpid(child, 0)
    handler.flush()

    assert os.waitstatus_to_exitcode(status) == 0
    subjects = [message.subject for message in smtp_server.messages]
    assert subjects == ["ERROR: of the child", "ERROR: of the parent"]
