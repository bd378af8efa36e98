"""`guerdon serve FILE`: the rewards of a run file over HTTP."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guerdon.cli.arguments import File, Overrides, Workers

if TYPE_CHECKING:
    from guerdon.mixture import Mixture


def serve(
    file: File,
    *,
    host: Annotated[str, typer.Option(help="The address to listen on. Others than this machine need a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 for any that is free.")] = 8000,
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="Serve the rewards of this stage.", show_default=False)
    ] = None,
    set_: Overrides = None,
    workers: Workers = None,
    queue: Annotated[int, typer.Option(min=1, help="Rollouts taken at a time; with more, clients have to wait.")] = (
        4096
    ),
    substitute: Annotated[
        float, typer.Option(help="What OpenRLHF's own client is told of a rollout without a score.")
    ] = 0.0,
    end_token: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOKEN",
            help="An end or padding token, to be dropped at the end of what OpenRLHF's own client sends; "
            "those of the usual models if you name none.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve the rewards of a run file over HTTP: /score, OpenRLHF's /get_reward, and /health.

    Ctrl-C or SIGTERM ends it when all that it has taken is judged. The token that clients must send is GUERDON_TOKEN in
    the environment.
    """
    from guerdon.cli import arguments
    from guerdon.cli.plugins import versioned
    from guerdon.cli.terminal import note
    from guerdon.errors import OptionError
    from guerdon.remote.protocol import token
    from guerdon.serving import access, app, server
    from guerdon.serving.get_reward import END_TOKENS, Protocol
    from guerdon.serving.service import Service

    server.check_installed()
    run = arguments.load(file, set_)
    mixture = run.mixture(workers, stage)
    if not math.isfinite(substitute):
        raise OptionError("--substitute", f"is a finite number, got {substitute}", "as in --substitute 0")
    if "" in (end_token or ()):
        raise OptionError("--end-token", "is empty", "name a token, or leave it out")
    secret = token()
    listening = server.bound(host, port)
    with listening:
        access.check_exposed(listening.getsockname()[0], secret)
        try:
            with mixture:
                service = Service(mixture, queue)
                protocol = Protocol(mixture.terms, substitute, tuple(end_token or END_TOKENS))
                version = versioned("guerdon").split()[-1]
                about = {"version": version, "run_file": run.path.name, "stage": stage}
                answers = app.Answers(service, protocol, about)
                server.listen(listening)
                note(_said(run.path, mixture, listening.getsockname(), queue, secret is not None))
                guarded = access.Guarded(app.application(answers, version), secret)
                finished = server.run(guarded, service, listening, note)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    if not finished:
        raise typer.Exit(1)


def _said(path: Path, mixture: "Mixture", address: tuple[str, int], queue: int, secret: bool) -> str:
    from guerdon.cli.terminal import counted

    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    names = ", ".join(term.name for term in mixture.terms)
    lines = [
        f"{path} on http://{host}:{address[1]}{', with a token' if secret else ''}",
        f"  rewards: {names}; {counted(mixture.workers, 'worker')}, up to {counted(queue, 'rollout')} at a time",
    ]
    return "\n".join(lines)
