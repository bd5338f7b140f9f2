"""Is a narrative harmless XHTML? It must never repair one: what is not on the list makes the resource invalid.

Source: http://hl7.org/fhir/R4/narrative.html (txt-1, txt-2). Stricter in one point: nothing may be loaded from elsewhere, so an image may
only be `#contained`, a data image, or have no source at all.
"""

import re
import xml.etree.ElementTree as ET
from html.entities import name2codepoint
from typing import Final

from fhir_profiles.limits import MAX_NARRATIVE_CHARACTERS

_XHTML: Final = "{http://www.w3.org/1999/xhtml}"
_TAGS: Final = frozenset({
    "a", "abbr", "acronym", "address", "b", "bdo", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd",
    "del", "dfn", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "ol",
    "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "tt", "u", "ul", "var",
})  # fmt: skip
_ATTRIBUTES: Final = frozenset(
    {
        "abbr",
        "align",
        "alt",
        "axis",
        "bgcolor",
        "border",
        "cellpadding",
        "cellspacing",
        "char",
        "charoff",
        "cite",
        "class",
        "color",
        "colspan",
        "dir",
        "face",
        "frame",
        "headers",
        "height",
        "href",
        "id",
        "lang",
        "name",
        "nowrap",
        "rel",
        "rowspan",
        "rules",
        "scope",
        "size",
        "span",
        "src",
        "start",
        "style",
        "summary",
        "title",
        "type",
        "valign",
        "width",
        "{http://www.w3.org/XML/1998/namespace}lang",
        "{http://www.w3.org/XML/1998/namespace}space",
    }
)  # fmt: skiplang", "{http://www.w3.org/XML/1998/namespace}space"}
_LINK: Final = re.compile(r"(?:#|https?://|mailto:|tel:|urn:|[A-Za-z0-9./_-]*$)", re.IGNORECASE)
_IMAGE: Final = re.compile(r"(?:#|data:image/(?:png|jpeg|gif);base64,)", re.IGNORECASE)
_ACTIVE_STYLE: Final = re.compile(r"url\s*\(|expression\s*\(|@import|javascript:|\\", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OF_XML: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})


def narrative_fault(div: str) -> str:
    """Give what is wrong with `Narrative.div`, in a fixed sentence without content, or an empty text."""
    if len(div) > MAX_NARRATIVE_CHARACTERS:
        return f"the narrative is longer than {MAX_NARRATIVE_CHARACTERS} characters"
    if "<!DOCTYPE" in div or "<!ENTITY" in div or "<?" in div:
        return "the narrative has a declaration or a processing instruction"
    try:
        # No declaration is left that could define an entity, so the parser has nothing to expand or to fetch.
        root = ET.fromstring(_ENTITY.sub(_character, div))  # noqa: S314 - declarations are refused above
    except ET.ParseError:
        return "the narrative is not well-formed XHTML"
    if root.tag != _XHTML + "div":
        return "the narrative is not one XHTML div (txt-1)"
    fault = next(filter(None, map(_element_fault, root.iter())), "")
    if not fault and not any(text.strip() for text in root.itertext()) and root.find(f".//{_XHTML}img") is None:
        return "the narrative is empty (txt-2)"
    return fault


def _character(found: re.Match[str]) -> str:
    name = found[1]
    return found[0] if name in _OF_XML or name not in name2codepoint else f"&#{name2codepoint[name]};"


def _element_fault(element: ET.Element) -> str:
    tag = element.tag
    if not isinstance(tag, str) or not tag.startswith(_XHTML) or tag.removeprefix(_XHTML) not in _TAGS:
        return "the narrative has an element that FHIR does not allow (txt-1)"
    for name, value in element.attrib.items():
        if name not in _ATTRIBUTES:
            return "the narrative has an attribute that FHIR does not allow (txt-1)"
        if name == "href" and not _LINK.match(value.strip()):
            return "the narrative has a link that is not a plain link"
        if name == "src" and not _IMAGE.match(value.strip()):
            return "the narrative would load something from elsewhere"
        if name == "style" and _ACTIVE_STYLE.search(value):
            return "the narrative has a style that could load or run something"
    return ""
