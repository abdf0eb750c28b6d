"""What all tables share: where they are gathered, and the kinds of their columns."""

from sqlalchemy import BigInteger, Column, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ROWID = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit id that SQLite takes as its rowid (only a column of the type INTEGER is)."""


def id_column(name: str = "id") -> Column[int]:
    """The key of a table whose ids are made in the process."""
    return Column(name, ROWID, primary_key=True, autoincrement=False)


def time_column(name: str, *, nullable: bool = True) -> Column[int]:
    """Milliseconds since 1970 in UTC."""
    return Column(name, BigInteger, nullable=nullable)
