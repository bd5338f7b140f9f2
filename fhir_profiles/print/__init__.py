"""Paper: text under headings as a tagged PDF. It knows no FHIR and no letter, and must never read a file, a clock or the network.

`sheet.typ` is the form (Typst, https://typst.app/docs); what a page says is given to it as data, never as markup, so that no text can become
an instruction. The PDF is PDF/UA-1: title, language, headings and lists are tagged, and a reader says them aloud in order.
INVARIANT: the same sheet gives the same bytes, in any process, on any day: a decision is made again byte for byte.
"""
