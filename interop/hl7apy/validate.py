#!/usr/bin/env python3
"""Validates produced messages against the published HL7 v2.5.1 structures with hl7apy, level STRICT.

    validate.py FOLDER [--exceptions FILE]

FOLDER holds one message per *.hl7 file, segments ended by CR or LF. A message passes when hl7apy finds nothing
wrong, encodes it again to the same text (Z segments aside, which its encoder leaves out), and warns only of the
codes that warnings.csv names: site-defined codes that no published table holds. The exceptions are
messages that need not pass, with the reason; an entry that is no longer needed fails the run.

Needs hl7apy==1.3.5. Ends with a line "N passed, N failed"; exit status 1 when one failed.
"""

import argparse
import csv
import pathlib
import re
import sys
import tempfile

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

HERE = pathlib.Path(__file__).resolve().parent
WARNING = re.compile(r"Warning: Value (?P<value>.*) not in table (?P<table>HL7\d{4}) in element (?P<element>\S+)$")

# The validator is told to find these faults before its praise is believed.
GOOD = (
    "MSH|^~\\&|A|B|C|D|20240301093015+0000||ADT^A28^ADT_A05|1|T|2.5.1\r"
    "EVN||20240301093015+0000\rPID|1||1^^^H^MR||Doe^J^^^^^L||19741225|M\rPV1|1|N\r"
)
BAD = {
    "no EVN": GOOD.replace("EVN||20240301093015+0000\r", ""),
    "no PV1": GOOD.replace("PV1|1|N\r", ""),
    "a date with hyphens": GOOD.replace("19741225", "1974-12-25"),
    "no patient identifier": GOOD.replace("1^^^H^MR", ""),
}


def read_rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def validate(er7):
    """(errors, warnings) of one message; warnings are (table, value, element)."""
    try:
        message = parse_message(er7, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    except (HL7apyException, ValueError) as error:
        return [f"{type(error).__name__}: {error}"], []
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8", suffix=".txt") as report:
        errors = []
        try:
            Validator.validate(message, report_file=report.name)
        except (HL7apyException, ValueError) as error:
            errors.append(f"{type(error).__name__}: {error}")
        lines = pathlib.Path(report.name).read_text(encoding="utf-8").splitlines()
    warnings = []
    for line in filter(None, lines):
        found = WARNING.match(line)
        if found:
            warnings.append((found["table"], found["value"], found["element"]))
        elif line.startswith("Warning") or not errors:
            errors.append(line)
    expected = "\r".join(segment for segment in er7.split("\r") if segment and not segment.startswith("Z"))
    encoded = message.to_er7().rstrip("\r")
    encoded = "\r".join(segment for segment in encoded.split("\r") if not segment.startswith("Z"))
    if not errors and encoded != expected:
        errors.append("parse and encode do not give the message back")
    return errors, warnings


def check_validator():
    if validate(GOOD)[0]:
        sys.exit("the validator refuses a good message")
    for fault, er7 in BAD.items():
        if not validate(er7)[0]:
            sys.exit(f"the validator does not see: {fault}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--exceptions", type=pathlib.Path, help="CSV of file,reason")
    arguments = parser.parse_args()

    check_validator()
    allowed = [(row["table"], re.compile(row["value"])) for row in read_rows(HERE / "warnings.csv")]
    listed = read_rows(arguments.exceptions) if arguments.exceptions else []
    exceptions = {row["file"]: row["reason"] for row in listed}
    files = sorted(arguments.folder.glob("*.hl7"))
    if not files:
        sys.exit(f"no *.hl7 in {arguments.folder}")

    passed, failed, by_table = 0, 0, {}
    for path in files:
        er7 = path.read_bytes().decode("utf-8").replace("\r\n", "\r").replace("\n", "\r")
        errors, warnings = validate(er7)
        for table, value, element in warnings:
            by_table[table] = by_table.get(table, 0) + 1
            if not any(table == known and pattern.fullmatch(value) for known, pattern in allowed):
                errors.append(f"a code that is not in table {table} in {element}")
        excepted = exceptions.pop(path.name, None)
        if errors and excepted is None:
            failed += 1
            print(f"FAIL {path.name}", *errors, sep="\n     ")
        elif not errors and excepted is not None:
            failed += 1
            print(f"FAIL {path.name}\n     the exception is no longer needed")
        else:
            passed += 1
    for name in exceptions:
        failed += 1
        print(f"FAIL {name}\n     the exception names no message")
    tables = ", ".join(f"{table} {count}" for table, count in sorted(by_table.items()))
    print(f"hl7apy: {len(files)} messages; codes outside published tables: {tables or 'none'}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
