"""The command line finds its commands by name, and says what is wrong in one line."""

import subprocess
import sys

import pytest

from musicgym.commands import COMMANDS, Command, main


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A command line over a module written for the test."""

    def make(source, extra=""):
        (tmp_path / "planted_commands.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "planted_commands", raising=False)
        return {"sing": Command("planted_commands", "sing", "Sing.", extra), "ring": Command("no.such.module", "ring", "Ring.")}

    return make


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_has_a_help_page(word, capsys):
    assert main([word, "--help"]) == 0
    assert f"musicgym {word}" in capsys.readouterr().out


def test_the_overview_names_every_command_without_importing_one(table, capsys):
    commands = table("raise RuntimeError('imported')")
    assert main(["--help"], commands) == 0
    out = capsys.readouterr().out
    assert "sing  Sing." in out
    assert "ring  Ring." in out


def test_no_command_shows_the_overview_and_is_a_usage_error(capsys):
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "advice"),
    [("trian", "did you mean train?"), ("xyzzy", "there are train, compose, reward, list, corpus, model, bench")],
)
def test_an_unknown_command_names_the_nearest(word, advice, capsys):
    assert main([word]) == 2
    assert advice in capsys.readouterr().err


def test_words_after_the_command_reach_it_with_the_programs_name(table, capsys):
    commands = table("def sing(args, prog_name):\n    print(prog_name, args)")
    assert main(["sing", "--loud", "3"], commands) == 0
    assert capsys.readouterr().out == "musicgym sing ['--loud', '3']\n"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit('no voice')", 1, "Error: no voice\n"),
        ("raise ValueError('tempo=-1: a tempo is above 0')", 1, "Error: tempo=-1: a tempo is above 0\n"),
        ("open('/no/such/folder/song.mid')", 1, "Error: '/no/such/folder/song.mid': No such file or directory\n"),
        ("raise KeyboardInterrupt", 130, "Error: interrupted\n"),
    ],
)
def test_the_exit_status_and_one_line_say_how_it_ended(table, body, status, message, capsys):
    assert main(["sing"], table(f"def sing(args, prog_name):\n    {body}")) == status
    assert capsys.readouterr().err == message


def test_what_was_typed_wrongly_has_a_status_of_its_own(table, capsys):
    source = (
        "from musicgym.commands import typed\n"
        "def sing(args, prog_name):\n"
        "    with typed():\n"
        "        raise ValueError('--tempo x: expected a number')\n"
    )
    assert main(["sing"], table(source)) == 2
    assert capsys.readouterr().err == "Error: --tempo x: expected a number\n"


def test_the_overview_says_what_the_exit_status_means(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.partition("Exit status:")[2].strip().splitlines()] == ["0", "1", "2"]


def test_debugging_keeps_the_traceback(table, monkeypatch):
    monkeypatch.setenv("MUSICGYM_DEBUG", "1")
    with pytest.raises(ValueError, match="off key"):
        main(["sing"], table("def sing(args, prog_name):\n    raise ValueError('off key')"))


def test_a_missing_extra_is_named(table, capsys):
    assert main(["sing"], table("import torch_is_not_here", extra="agents")) == 1
    assert capsys.readouterr().err.endswith('needs torch_is_not_here, which is not installed: pip install "musicgym[agents]"\n')


def test_a_typer_app_is_a_command(table, capsys):
    commands = table(
        "import typer\nsing = typer.Typer()\n@sing.command()\ndef run(times: int = 1):\n    typer.echo('la' * times)"
    )
    assert main(["sing", "--times", "3"], commands) == 0
    assert capsys.readouterr().out == "lalala\n"
    assert main(["sing", "--times", "many"], commands) == 2
    assert "--times" in capsys.readouterr().err


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "musicgym", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "musicgym 0.1.0\n")
