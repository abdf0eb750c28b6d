"""Which ends of a kept session leave nothing decided: the message goes by another one then."""

import pytest
from tests.unit.smtp.test_client_transaction import BARE, ENVELOPE, PIPELINING, begun, recipients


def test_421_to_the_first_command_may_be_a_stale_session() -> None:
    """What a server says that closed it a moment before."""
    core = begun(1)
    core.receive(b"421 4.4.2 idle\r\n")
    assert core.was_stale

    core = begun(1)
    core.receive(b"250 ok\r\n421 4.4.2 idle\r\n")
    assert not core.was_stale


@pytest.mark.parametrize("answer", [b"421 4.4.2 idle\r\n", b"250 ok\r\n", b"500 what\r\n", b""])
@pytest.mark.parametrize("features", [PIPELINING, BARE])
def test_a_session_that_ended_at_rset_was_stale(features: bytes, answer: bytes) -> None:
    """RSET clears away the message before; of this one nothing was decided."""
    core = begun(1, features)
    core.receive(b"550 no\r\n" * (3 if features is PIPELINING else 1))
    core.data_to_send()
    assert core.is_ready
    core.begin(ENVELOPE, recipients(1), size=10)
    assert core.data_to_send().startswith(b"RSET\r\n")
    core.receive(answer)
    core.connection_lost()
    assert core.was_stale
