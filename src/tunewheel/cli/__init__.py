"""The commands: verbs on the nouns, each a thin layer over `tunewheel.loop`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from tunewheel.cli import archive, learn, registry, score
from tunewheel.cli.check import check
from tunewheel.cli.clean import clean
from tunewheel.cli.collect import collect
from tunewheel.cli.compare import compare
from tunewheel.cli.distill import distill
from tunewheel.cli.drift import drift
from tunewheel.cli.export import export
from tunewheel.cli.feedback import feedback, suggest
from tunewheel.cli.forget import forget
from tunewheel.cli.gate import gate
from tunewheel.cli.keys import keys
from tunewheel.cli.options import stderr
from tunewheel.cli.pretrain import pretrain
from tunewheel.cli.rollout import rollout
from tunewheel.cli.serve import serve
from tunewheel.cli.topics import topics
from tunewheel.cli.tune import tune
from tunewheel.cli.update import update

__all__ = ["app", "main"]

app = typer.Typer(
    help="Turns labelled text into a language model that does its job, and keeps it doing that job.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    *(learn.demo, collect, check, clean, topics, pretrain, learn.train, compare, tune, distill),
    *(score.evaluate, score.predict),
    *(
        drift,
        registry.models,
        registry.trace,
        suggest,
        update,
        gate,
        rollout,
        registry.promote,
        registry.rollback,
        forget,
    ),
    *(archive.pack, archive.unpack, export, serve),
):
    app.command()(command)
app.add_typer(feedback, name="feedback")
app.add_typer(keys, name="keys")


def main() -> None:
    """Run a command; an error a user can mend is told in a few lines and ends with exit code 2."""
    try:
        app()
    except _expected() as error:
        for line in str(error).splitlines():
            stderr.print(f"[red]error[/red] {_escaped(line)}", soft_wrap=True)
        if _rows_can_be_left_out(error):
            stderr.print("[dim]--on-error skip goes on without such rows, and writes down which and why[/dim]")
        sys.exit(2)
    except KeyboardInterrupt:
        stderr.print("[yellow]stopped[/yellow] the same command again goes on where it stood")
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # a folder that cannot be written, a disk that is full
        if error.filename is None:
            raise
        stderr.print(f"[red]error[/red] {_escaped(f'{error.filename}: {error.strerror}')}", soft_wrap=True)
        sys.exit(2)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from tunewheel import __version__

        typer.echo(__version__)
        raise typer.Exit


def _rows_can_be_left_out(error: Exception) -> bool:
    """Whether single rows are wrong, and the command that was called could have passed them by."""
    from tunewheel.data.problems import BadRows

    if not isinstance(error, BadRows) or "skip" in sys.argv:
        return False
    commands: dict[str, Any] = getattr(typer.main.get_command(app), "commands", {})
    return any("--on-error" in option.opts for option in commands[sys.argv[1]].params)


def _escaped(line: str) -> str:
    from rich.markup import escape

    return escape(line)


def _expected() -> tuple[type[Exception], ...]:
    """The errors that are a user's to mend; only what is loaded already can have been raised."""
    homes = {
        "tunewheel.data.check.inspect": ("CheckError",),
        "tunewheel.data.privacy.kinds": ("PrivacyError",),
        "tunewheel.data.problems": ("DataError",),
        "tunewheel.data.topics.topics": ("TopicsError",),
        "tunewheel.feedback.drift.seen": ("DriftError",),
        "tunewheel.evaluation.intervals": ("EvaluationError",),
        "tunewheel.feedback.answers": ("FeedbackError",),
        "tunewheel.feedback.rollout.plan": ("RolloutError",),
        "tunewheel.lineage.find": ("TraceError",),
        "tunewheel.loop": ("LoopError",),
        "tunewheel.models.backbones": ("BackboneError",),
        "tunewheel.models.exporting.folder": ("ExportError",),
        "tunewheel.models.exporting.graph": ("MissingExport",),
        "tunewheel.models.language.base": ("LanguageModelError",),
        "tunewheel.models.methods.base": ("MethodError",),
        "tunewheel.models.model": ("ModelError",),
        "tunewheel.registry.archive": ("ArchiveError",),
        "tunewheel.registry.gate.nouns": ("GateError",),
        "tunewheel.registry.names": ("RegistryError",),
        "tunewheel.serving.errors": ("ServiceError",),
        "tunewheel.serving.keys": ("KeysError",),
        "tunewheel.settings": ("SettingsError",),
        "tunewheel.store.errors": ("StoreError", "ArtifactError", "LockedError", "SchemaError"),
        "tunewheel.tasks.base": ("TaskError",),
        "tunewheel.tuning.search.space": ("SpaceError",),
        "tunewheel.tuning.search.work": ("TuningError",),
    }
    loaded = [(sys.modules[module], names) for module, names in homes.items() if module in sys.modules]
    return tuple(getattr(module, name) for module, names in loaded for name in names)
