"""Which DMARC record the doctor takes for a domain (pillarbox.doctor.domain)."""

import pytest
from tests.gallery.exhibits import Domain, Exhibit
from tests.gallery.visit import visit

REJECT, NONE = "v=DMARC1; p=reject", "v=DMARC1; p=none"


@pytest.mark.parametrize(
    ("records", "at", "texts"),
    [
        ({"a.mail.corp.com": REJECT, "corp.com": NONE}, "a.mail.corp.com", (REJECT,)),
        ({"mail.corp.com": REJECT, "corp.com": NONE}, "corp.com", (NONE,)),
        ({"mail.corp.com": f"{REJECT}; psd=n", "corp.com": NONE}, "mail.corp.com", None),
        ({"com": f"{REJECT}; psd=y"}, "com", None),
        ({"a.mail.corp.com": "v=dmarc1; p=none", "corp.com": NONE}, "a.mail.corp.com", None),
        ({"mail.corp.com": "v=DMARC1; p=rejct", "corp.com": NONE}, "corp.com", (NONE,)),
        ({"mail.corp.com": "v=DMARC1; p=rejct"}, "mail.corp.com", None),
        ({}, "a.mail.corp.com", ()),
    ],
)
async def test_record_that_receivers_take_is_looked_at(
    records: dict[str, str], at: str, texts: tuple[str, ...] | None
) -> None:
    """RFC 9989: the domain's own, then that of its organization, not the nearest above; where none
    holds, what somebody meant as one."""
    zone = {f"_dmarc.{name} TXT": f'"{text}"' for name, text in records.items()}
    domain = Domain("a.mail.corp.com", zone)

    found = (await visit(Exhibit("a name below", "", domain=domain))).domain

    assert found is not None
    assert (found.dmarc_at, found.dmarc) == (at, (records[at],) if texts is None else texts)
