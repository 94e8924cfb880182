"""The user's CSV and Parquet files as frames; CSV cells stay text, so that no type is guessed and no leading zero lost."""

import codecs
import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from pureplay.errors import DatasetError, SettingError, TableError
from pureplay.sources.entries import near

__all__ = ["ROW", "find_files", "header", "read_rows"]

ROW: Final = "__row__"
"""Column that `read_rows` adds: position of the row in its file, 1 = first data row."""

_CHUNK: Final = 1 << 24
_SURELY_UTF8: Final = 32
"""Bytes beyond ASCII from which a file that decodes as UTF-8 cannot be anything else by chance."""


def find_files(source: Path, patterns: tuple[str, ...], *, table: str) -> list[Path]:
    """Files below `source` that the glob patterns name, sorted by path; every pattern must name one."""
    if not source.is_dir():
        raise DatasetError(f"the source folder {source} does not exist: give the folder that holds the files of the map")
    found: set[Path] = set()
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise SettingError(f"table '{table}': files = \"{pattern}\" leaves the source folder: write it relative to {source}")
        hits = [each for each in source.glob(pattern) if each.is_file()]
        if not hits:
            names = [str(each.relative_to(source)) for each in sorted(source.rglob("*")) if each.is_file()]
            nearest = near(pattern, names)
            raise DatasetError(f"table '{table}': \"{pattern}\" matches no file below {source} ({nearest}): correct the pattern")
        found.update(hits)
    for path in sorted(found):
        _suffix(path)
    return sorted(found)


def _suffix(path: Path) -> str:
    for known in (".parquet", ".csv", ".csv.gz"):
        if path.name.lower().endswith(known):
            return known
    raise DatasetError(f"{path} is neither .parquet, .csv nor .csv.gz: convert it, or narrow the pattern")


def header(path: Path, *, encoding: str, separator: str) -> tuple[list[str], bytes | None]:
    """Column names of a file and, of a CSV, its content as UTF-8; DatasetError where the file is empty, broken or in another encoding."""
    if path.stat().st_size == 0:
        raise DatasetError(f"{path} is empty: fetch it again, or leave it out of the map")
    if _suffix(path) == ".parquet":
        try:
            return list(pl.read_parquet_schema(path)), None
        except (pl.exceptions.PolarsError, OSError) as fault:
            raise _broken(path, fault) from None
    content = _utf8(path, _bytes(path), encoding)
    content = content.rstrip(b"\r\n") + b"\n"
    line = next(csv.reader(io.StringIO(_first_record(content)), delimiter=separator), [])
    if not "".join(line).strip():
        raise DatasetError(f"{path} has no header line: the first line must name the columns")
    twice = sorted({name for name in line if line.count(name) > 1})
    if twice:
        raise TableError(f"{path} names the column {', '.join(twice)} more than once: rename one of them in the file")
    return line, content


def read_rows(path: Path, names: list[str], content: bytes | None, *, separator: str) -> pl.DataFrame:
    """The columns `names` of a file, with `ROW`; a CSV comes as text, empty cells as null."""
    try:
        if content is None:
            return pl.read_parquet(path, columns=names).with_row_index(ROW, offset=1)
        _check_widths(path, content, separator)
        rows = pl.read_csv(io.BytesIO(content), separator=separator, columns=names, infer_schema=False, raise_if_empty=False)
    except (pl.exceptions.PolarsError, OSError) as fault:
        raise _broken(path, fault) from None
    return rows.select(names).with_row_index(ROW, offset=1)


def _check_widths(path: Path, content: bytes, separator: str) -> None:
    """Refuse a CSV with a line of too few or too many fields: polars would fill it with nulls unseen."""
    if b'"' in content:
        widths = np.array([len(line) for line in csv.reader(io.StringIO(content.decode("utf-8")), delimiter=separator) if line])
    else:
        text = np.frombuffer(content, dtype=np.uint8)
        ends = np.flatnonzero(text == ord("\n"))
        fields = np.diff(np.searchsorted(np.flatnonzero(text == ord(separator)), ends), prepend=0) + 1
        length = np.diff(ends, prepend=-1) - 1
        blank = (length == 0) | ((length == 1) & (text[ends - 1] == ord("\r")))
        widths = fields[~blank]
    wrong = np.flatnonzero(widths != widths[0])
    if wrong.size:
        raise DatasetError(
            f"{path} has {wrong.size:,} lines with other than {widths[0]} fields "
            f"(the first is data row {wrong[0]:,}, with {widths[wrong[0]]}), "
            "so it is cut short or a cell holds an unquoted separator: write it again"
        )


def _broken(path: Path, fault: Exception) -> DatasetError:
    reason = str(fault).strip().split("\n")[0] or type(fault).__name__
    return DatasetError(f"{path} cannot be read, it is damaged, cut short or not what its name says ({reason}): fetch or write it again")


def _bytes(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if _suffix(path) == ".csv.gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as fault:
        raise _broken(path, fault) from None


def _utf8(path: Path, content: bytes, encoding: str) -> bytes:
    name = codecs.lookup(encoding).name
    if name in ("utf-8", "utf-8-sig", "ascii"):
        fault = _utf8_fault(content)
        if fault is not None:
            hint = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "gb18030"
            raise DatasetError(
                f'{path} is not UTF-8 (byte {fault:,}): add encoding = "{hint}" to its [[table]], or the one it was saved in'
            )
        return content.removeprefix(codecs.BOM_UTF8)
    if not content.isascii() and _utf8_fault(content) is None and sum(byte > 127 for byte in content[:_CHUNK]) >= _SURELY_UTF8:
        raise DatasetError(f'{path} is UTF-8, although the map says encoding = "{encoding}": remove it, or its text would be garbled')
    try:
        return content.decode(encoding).encode("utf-8").removeprefix(codecs.BOM_UTF8)
    except UnicodeDecodeError as fault_:
        raise DatasetError(f"{path} is not {encoding} (byte {fault_.start:,}): write the encoding it was saved in") from None


def _utf8_fault(content: bytes) -> int | None:
    """Position of the first byte that breaks UTF-8, None where all is well; in chunks, so that a big file is not held twice."""
    if content.isascii():
        return None
    decoder, seen = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        for seen in range(0, len(content), _CHUNK):
            decoder.decode(content[seen : seen + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as fault:
        return seen + fault.start
    return None


def _first_record(content: bytes) -> str:
    """The header line; a quoted header may run over several lines."""
    end = content.find(b"\n")
    while end != -1 and content[:end].count(b'"') % 2:
        end = content.find(b"\n", end + 1)
    return (content if end == -1 else content[:end]).decode("utf-8")
