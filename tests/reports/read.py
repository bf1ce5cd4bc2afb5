"""Reads reports with other people's programs, and says what they have understood.

    read.py junit|sarif|html|yaml CACHE FILE...

Prints one JSON list, with what each file says; fails at the first that a program refuses. scripts/reports puts into CACHE what
this imports, and the two schemas.
"""

import json
import sys
from pathlib import Path


def junit(cache):
    import xmlschema
    from xml.etree import ElementTree

    schema = xmlschema.XMLSchema10(str(cache / "junit.xsd"))

    def element(node):
        return {
            "name": node.tag,
            "attributes": dict(node.attrib),
            "text": node.text or "",
            "children": [element(child) for child in node],
        }

    def read(file):
        schema.validate(str(file))
        return element(ElementTree.parse(file).getroot())

    return read


def sarif(cache):
    import jsonschema

    schema = json.loads((cache / "sarif.json").read_text())
    validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)

    def read(file):
        document = json.loads(file.read_text(encoding="utf-8"))
        validator.validate(document)
        return document

    return read


def html(cache):
    import html5lib

    def read(file):
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        tree = parser.parse(file.read_bytes(), transport_encoding="utf-8")
        return [
            {"name": node.tag, "attributes": dict(node.attrib), "text": "".join(node.itertext())}
            for node in tree.iter()
            if isinstance(node.tag, str)
        ]

    return read


def yaml(cache):
    """The diagnostics below each line of TAP."""
    import yaml

    def read(file):
        blocks = []
        block = None
        for line in file.read_text(encoding="utf-8").split("\n"):
            if line == "  ---":
                block = []
            elif line == "  ...":
                blocks.append(yaml.safe_load("\n".join(block)))
                block = None
            elif block is not None:
                block.append(line)
        return blocks

    return read


def main():
    form, cache, *files = sys.argv[1:]
    read = {"junit": junit, "sarif": sarif, "html": html, "yaml": yaml}[form](Path(cache))
    told = []
    for file in files:
        try:
            told.append(read(Path(file)))
        except Exception as error:
            sys.exit(f"{file}: {type(error).__name__}: {error}")
    json.dump(told, sys.stdout)


main()
