"""``churn serve``."""

import click

from ml.cli.command import Run, churn_command, problem_option


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option("--tls-certificate", type=click.Path(dir_okay=False), help="PEM file of the certificate.")
@click.option("--tls-key", type=click.Path(dir_okay=False), help="PEM file of its private key.")
@problem_option
@churn_command
def command(
    run: Run,
    host: str,
    port: int,
    workers: int,
    tls_certificate: str | None,
    tls_key: str | None,
    problem: str | None,
) -> None:
    """Scores, features and receipts over HTTP.

    Serves the values that are online: the same numbers as 'churn score' at the instant of the last
    materialization. A newer build, materialization or model is picked up without a restart. /docs lists the
    routes.

    On a loopback address it answers anyone until the first key is created with 'churn keys create'. On any
    other address it does not start without a key.

    \b
    Example:
      churn materialize && churn serve
    """
    from ml.serve.server import serve

    serve(
        home=run.home,
        host=host,
        port=port,
        workers=workers,
        problem=problem,
        certificate=tls_certificate,
        private_key=tls_key,
        progress=run.progress,
    )
