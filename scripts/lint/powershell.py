"""Parses PowerShell scripts with tree-sitter's grammar: powershell.py FILE... Prints what is not understood, a line each."""

import sys

import tree_sitter
import tree_sitter_powershell

parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


def wrong(node):
    if node.is_error or node.is_missing:
        yield node
        return
    for child in node.children:
        if child.has_error:
            yield from wrong(child)


found = 0
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        text = file.read()
    for node in wrong(parser.parse(text).root_node):
        row, column = node.start_point
        what = "missing " + node.type if node.is_missing else "not PowerShell"
        print(f"{path}:{row + 1}:{column + 1}: {what}")
        found += 1
sys.exit(0 if found == 0 else 1)
