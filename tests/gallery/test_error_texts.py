"""What real clients say when something is wrong, and whether `pillarbox explain` names the cause
(pillarbox.explain). tests/gallery/error_texts.py collected the texts."""

import json
from pathlib import Path

import pytest

from pillarbox.explain.replies import explain_text

TEXTS = json.loads(Path(__file__).with_name("error_texts.json").read_text(encoding="utf-8"))

MEANT = {
    "closed": {"program-refused"},
    "no-host": {"program-no-host"},
    "tls-to-starttls": {"program-not-tls"},
    "starttls-to-tls": {"program-silent"},
    "silent": {"program-silent"},
    "cert-expired": {"program-cert-expired", "program-cert"},
    "cert-name": {"program-cert-name", "program-cert"},
    "cert-unknown": {"program-cert-unknown", "program-cert"},
    "cert-self": {"program-cert-self", "program-cert-unknown", "program-cert"},
    "tls-old": {"program-tls-old"},
    "no-starttls": {"program-no-starttls"},
    "starttls-refused": {"program-starttls-refused"},
    "no-auth": {"program-no-auth", "rfc-530"},
    "auth-tokens": {"program-no-auth"},
    "auth-wrong": {"rfc-5.7.8"},
    "auth-off": {"m365-12"},
    "sender-refused": {"m365-25"},
    "recipient-refused": {"rfc-x.1.1"},
    "banner-refused": {"block-list"},
    "busy": {"too-many-connections"},
    "cut": {"program-cut"},
    "spam": {"rfc-5.7.1", "rfc-554"},
    "too-large": {"rfc-x.2.3"},
}
"""By the scene: the explanations that name its cause. Some clients say of a certificate only that
it can not be verified; then that is the cause."""

VAGUE = {"program-php-tls"}
"""True, and not counted: PHP does not say why it could not agree on TLS."""

SEEN_OTHERWISE = {("starttls-refused", "openssl"): "program-not-tls"}
"""s_client passes over the refusal and tells what came of that."""

LEAST_SHARE = 0.95


def _is_right(row: dict[str, str]) -> bool:
    found = explain_text(row["text"])
    return found is not None and found.id in MEANT[row["scene"]]


def test_there_are_enough_texts_of_enough_clients() -> None:
    """A hundred at the least, of ten clients, each with its version."""
    assert len(TEXTS) >= 100
    assert len({row["client"] for row in TEXTS}) >= 10
    assert all(row["version"] and row["text"] for row in TEXTS)


def test_nearly_all_texts_are_explained() -> None:
    """Those that are not are listed; a text that was cut to nothing can not be explained."""
    wrong = [f"{row['scene']} {row['client']}" for row in TEXTS if not _is_right(row)]

    assert len(wrong) <= (1 - LEAST_SHARE) * len(TEXTS), wrong


@pytest.mark.parametrize("row", TEXTS, ids=lambda row: f"{row['scene']} {row['client']}")
def test_no_text_is_explained_wrongly_as_another(row: dict[str, str]) -> None:
    """What is not known is said to be unknown: a wrong cause sends people astray."""
    found = explain_text(row["text"])
    otherwise = SEEN_OTHERWISE.get((row["scene"], row["client"]))
    meant = {*MEANT[row["scene"]], *VAGUE, otherwise}

    assert found is None or found.id in meant, (found.id, row["text"])
