"""How much a database holds, on whichever engine it is."""

from sqlalchemy import Connection


def stored_bytes(c: Connection) -> int:
    """Bytes in use: pages that were freed and will be used again do not count where the engine says which they are."""
    if c.dialect.name != "sqlite":
        return int(c.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    page = c.exec_driver_sql("PRAGMA page_size").scalar_one()
    pages = c.exec_driver_sql("PRAGMA page_count").scalar_one()
    free = c.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    return int(page) * (int(pages) - int(free))
