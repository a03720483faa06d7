"""CSV lines whose quotes are wrong, made harmless, so that only such lines are rejected.

A quote that is never closed, or is followed by text, hides the rows after it from DuckDB; of many files read
together DuckDB does not even report one that is open at the end of its file. So quotes are checked first. In
a file where one is wrong, a row may go over several lines while its quotes are right and it has as many
values as the header. Any other line of a wrong quote is written as one value: DuckDB finds too few columns.
"""

import mmap
import re
from pathlib import Path
from typing import IO

from ml.ingest.compressed_files import open_unpacked, unpack
from ml.ingest.file_names import packing_of

# In place of the quotes of a broken line, by what is wrong with it; in place of its delimiters.
UNCLOSED, ESCAPED, AFTER_QUOTE, MUTED_DELIMITER = b"\x01", b"\x03", b"\x04", b"\x02"
# Written before a JSON line that is no object.
NO_OBJECT = b"\x05"
REASONS = {
    NO_OBJECT: "no object",
    UNCLOSED: "unclosed quote",
    ESCAPED: "quote escaped by a backslash",
    AFTER_QUOTE: "text after a closing quote",
}
MUTED = b"".join([UNCLOSED, ESCAPED, AFTER_QUOTE, MUTED_DELIMITER, NO_OBJECT]).decode()


# DuckDB's own limit for one row.
LONGEST_ROW = 2_097_152
QUOTE = b'"'
# The pattern of blank lines, by the end of lines.
BLANKS = {b"\n": re.compile(rb"(?m)^(?:\r?\n)+"), b"\r": re.compile(rb"(?<=\r)\r+")}
END_OF_LINE = rb"(?:\r\n|\n|\r)"
RETURN_ALONE = re.compile(rb"\r(?!\n)")
BLOCK = 1 << 24  # bytes of one read: few calls, and little memory


def without_broken_quotes(path: Path, copy: Path, columns: int, delimiter: str, label: str) -> Path:
    """``path``, or a plain copy without blank lines in which every line of a wrong quote is one value."""
    with open_unpacked(path, label) as lines:
        if is_whole(lines, delimiter):
            return path
    if packing_of(path.name) != "none":
        path = unpack(path, copy.with_suffix(".plain"), label)
    mute_broken_lines(path, copy, columns, delimiter)
    return copy


def is_whole(lines: IO[bytes], delimiter: str) -> bool:
    """Whether every quote is closed and followed by a delimiter or the end of its line, and no line is blank.

    DuckDB counts blank lines before some rows and not before others.
    """
    row = row_pattern(delimiter, "*+").pattern
    rows = re.compile(rb'(?:[^"\r\n]*+' + END_OF_LINE + rb"|" + row + END_OF_LINE + rb")*+")
    rest = before = b""
    while block := lines.read(BLOCK):
        if has_blank_line(block) or has_blank_line(before + block[:2]):
            return False
        before = block[-2:]
        if QUOTE in block or QUOTE in rest:
            rest += block
            rest = rest[rows.match(rest).end() :]  # type: ignore[union-attr]
        else:
            rest = block[max(block.rfind(b"\n"), block.rfind(b"\r")) + 1 :]
        if len(rest) > LONGEST_ROW:
            return False
    return re.fullmatch(row, rest) is not None


def has_blank_line(block: bytes) -> bool:
    """Whether there may be a blank line in ``block``."""
    return b"\n\n" in block or (b"\r" in block and (b"\n\r\n" in block or b"\r\r" in block))


def mute_broken_lines(path: Path, copy: Path, columns: int, delimiter: str) -> None:
    """Copy ``path``, a plain file, without blank lines, every line of a wrong quote made one value."""
    row, line = row_pattern(delimiter, f"{{{columns - 1}}}"), row_pattern(delimiter, "*+")
    with path.open("rb") as file, copy.open("wb") as output:
        text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        header = line.match(text)
        end_of_line = b"\r" if header and RETURN_ALONE.match(text, header.end()) else b"\n"
        start = 0
        while (quote := text.find(QUOTE, start)) >= 0:
            begin = max(text.rfind(end_of_line, start, quote) + 1, start)
            copy_lines(text, start, begin, end_of_line, output)
            start = copy_row(text, begin, (row, line), end_of_line, delimiter, output)
        copy_lines(text, start, len(text), end_of_line, output)


def copy_lines(text: mmap.mmap, start: int, end: int, end_of_line: bytes, output: IO[bytes]) -> None:
    """Copy lines without quotes, but for blank ones."""
    with memoryview(text) as view:
        for blank in BLANKS[end_of_line].finditer(text, start, end):
            output.write(view[start : blank.start()])
            start = blank.end()
        output.write(view[start:end])


def copy_row(
    text: mmap.mmap,
    begin: int,
    patterns: tuple[re.Pattern[bytes], re.Pattern[bytes]],
    end_of_line: bytes,
    delimiter: str,
    output: IO[bytes],
) -> int:
    """Copy the row that begins at ``begin``, or its first line muted; where the next one begins."""
    row, line = patterns
    row_match = row.match(text, begin, begin + LONGEST_ROW)
    if row_match and is_end(text, row_match.end(), end_of_line):
        end = after_line(text, row_match.end(), end_of_line)
        output.write(text[begin:end])
        return end
    end = after_line(text, begin, end_of_line)
    content = text[begin:end].rstrip(b"\r\n")
    is_row = line.fullmatch(content)
    output.write(
        text[begin:end]
        if is_row
        else muted(content, delimiter, mark_of(content)) + text[begin + len(content) : end]
    )
    return end


def row_pattern(delimiter: str, repeated: str) -> re.Pattern[bytes]:
    """A row as DuckDB reads it: one value, then ``repeated`` values after delimiters."""
    mark = re.escape(delimiter.encode())
    in_quotes = rb'\ ?+"[^"]*+(?:""[^"]*+)*+"\ *+'
    plain = rb'(?!\ ?")[^' + mark + rb"\r\n]*+"
    value = rb"(?:" + in_quotes + rb"|" + plain + rb")"
    return re.compile(value + rb"(?:" + mark + value + rb")" + repeated.encode())


def is_end(text: mmap.mmap, at: int, end_of_line: bytes) -> bool:
    """Whether a line ends at ``at``."""
    return at == len(text) or text[at : at + 1] == end_of_line or text[at : at + 2] == b"\r\n"


def after_line(text: mmap.mmap, at: int, end_of_line: bytes) -> int:
    """Where the line after the one at ``at`` begins."""
    end = text.find(end_of_line, at)
    return len(text) if end < 0 else end + 1


def muted(line: bytes, delimiter: str, mark: bytes) -> bytes:
    """``line`` as one value without quotes, in which ``mark`` says what is wrong with it."""
    return line.translate(bytes.maketrans(QUOTE + delimiter.encode(), mark + MUTED_DELIMITER))


def mark_of(line: bytes) -> bytes:
    """The mark for the fault in the quotes of ``line``."""
    by_count = UNCLOSED if line.count(QUOTE) % 2 else AFTER_QUOTE
    return ESCAPED if b'\\"' in line else by_count


def unmuted(delimiter: str) -> str:
    """The characters that the signs of ``MUTED`` stand for, one by one; the last for none."""
    return f'"""{delimiter}'
