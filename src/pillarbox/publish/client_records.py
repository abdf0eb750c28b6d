"""The DNS records by which clients find the documents of a domain. Pure."""

from pillarbox.publish.domain_records import Record
from pillarbox.publish.pacc_document import pacc_record


def client_records(
    domain: str, host_name: str, port: int, pacc_document: bytes | None
) -> list[Record]:
    """For documents that this host serves. Autoconfig and PACC have no place for a port: with
    another one than 443 only the record of Autodiscover leads here."""
    host = f"{host_name.lower()}."
    at = f"_autodiscover._tcp.{domain}"
    records = [Record("autodiscover", at, f"0 0 {port} {host}", is_needed=False, type="SRV")]
    if port != 443:
        return records
    alias = Record("autoconfig", f"autoconfig.{domain}", host, is_needed=False, type="CNAME")
    records.append(alias)
    if pacc_document is not None:
        name, text = pacc_record(domain, pacc_document)
        records += [
            Record("pacc-host", f"ua-auto-config.{domain}", host, is_needed=False, type="CNAME"),
            Record("pacc", name, text, is_needed=False),
        ]
    return records
