"""`pipeline count` and `pipeline implies`: what they print, and their exit codes."""

import pytest


@pytest.fixture
def run(command_line):
    return command_line


@pytest.mark.parametrize(
    ("system", "fibres", "equations", "count"),
    [
        ("manipulator", "2,2", "putget,getput", 16),
        ("manipulator", "2,3", "putget,getput,undo", 0),
        ("manipulator", "2,2,2", "putget,getput,undo", 8),
        ("manipulator", "2,2,2", "putget, getput, putput", 4),
        ("matched_manipulator", "2,2,2", "classify,putget,getput", 4096),
    ],
)
def test_count_prints_one_integer(run, system: str, fibres: str, equations: str, count: int) -> None:
    code, out, err = run("count", system, "--fibres", fibres, "--equations", equations)
    assert (code, out) == (0, f"{count}\n")
    assert err == "note: noise[0.03] is read without its noise, as the identity\n"


def test_count_takes_all_equations_of_the_task_and_sizes_of_other_types(run) -> None:
    assert run("count", "manipulator", "--fibres", "2,2,2")[:2] == (0, "8\n")
    assert run("count", "conditional_vae", "--sizes", "S=2,V=2,Z=2")[:2] == (0, "16\n")


def test_implies_proves_refutes_by_tables_and_says_what_it_leaves_out(run) -> None:
    assert run("implies", "manipulator", "--given", "putput,getput", "--then", "undo")[:2] == (0, "proved\n")
    question = ("implies", "manipulator", "--given", "putget,getput,undo", "--then", "putput", "--values")
    assert run(*question, "2")[:2] == (0, "proved\n")
    code, out, err = run(*question, "3")
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "refuted")
    assert {"put | v0 v1 v2", "get | s0 s1 s2 s3 s4 s5"} <= set(lines)
    assert lines[-3].startswith("fails at s = s")
    assert [line.split(" = ")[0].strip() for line in lines[-2:]] == ["put(put(s, a), a')", "put(s, a')"]
    assert "note: noise[0.03] is read without its noise, as the identity" in err.splitlines()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("count nope --fibres 2,2", ["nope", "manipulator"]),
        ("count manipulator --fibres 2,x", ["fibres", "whole number", "x"]),
        ("count manipulator --fibres 2,2 --equations undone", ["undone", "putget", "putput"]),
        ("count manipulator", ["size", "missing"]),
        ("count matched_manipulator --fibres 2,2", ["law", "mmd"]),
        ("count conditional_vae --fibres 2,2", ["get"]),
        ("implies manipulator --given putget,undone --then undo", ["undone", "putput"]),
        ("implies manipulator --given putget --then undone", ["undone", "putput"]),
        ("implies manipulator --given putget --then undo --values 0", ["V", "at least 1"]),
        ("implies manipulator --given putget", ["--then"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments: str, words: list[str]) -> None:
    code, out, err = run(*arguments.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    for word in words:
        assert word in err
