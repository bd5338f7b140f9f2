"""The documents that a controller has to have, made when they are asked for, to take away."""

from gateway import accountability
from gateway.console.asking import Ask, NotThere, Page, Taken

TYPES = {".html": "text/html; charset=utf-8", ".md": "text/markdown; charset=utf-8"}


def documents(_ask: Ask) -> Page:
    """GET /console/documents: which there are."""
    found = [(name, title) for name, (title, _) in accountability.DOCUMENTS.items()]
    return Page(template="documents.html", values={"documents": found, "types": TYPES})


def document(ask: Ask) -> Taken:
    """GET /console/documents/{name}: one of them, as HTML or Markdown."""
    name, dot, ending = ask.path["name"].rpartition(".")
    if name not in accountability.DOCUMENTS or dot + ending not in TYPES:
        raise NotThere("there is no such document")
    text = accountability.files(ask.gateway, name)[f"{name}.{ending}"]
    return Taken(name=f"{name}.{ending}", media_type=TYPES[dot + ending], body=text.encode(), about=name)
