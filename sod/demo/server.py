"""The server of the page: on this machine alone, and nothing is fetched from elsewhere."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from socket import AF_INET, SOCK_STREAM, socket
from typing import Any

from sod.core.errors import SodError
from sod.core.extras import optional
from sod.demo.page import gradio

HOST = "127.0.0.1"
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'"
)
"""What browsers may load on this page: what this server gives, and nothing else."""


def application(page: Any, port: int) -> Any:  # noqa: ANN401 - of optional packages
    """Return the web application of a page.

    Args:
        page: Gradio's blocks.
        port: The port that it will have.
    """
    gr = gradio()
    app = optional("fastapi", "demo", "sod demo").FastAPI()

    async def restricted(request: Any, proceed: Callable[[Any], Awaitable[Any]]) -> Any:  # noqa: ANN401
        response = await proceed(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app.middleware("http")(restricted)
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["monospace"]}
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=HOST,
        server_port=port,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        pwa=False,
        enable_monitoring=False,
        theme=gr.themes.Default(**fonts),
    )


def check_port(port: int) -> None:
    """Refuse a port that is no port or is taken.

    Raises:
        SodError: It cannot be used.
    """
    with closing(socket(AF_INET, SOCK_STREAM)) as probe:
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise SodError(f"--port {port}: cannot be used: {error}; give another one.") from error


def serve(page: Any, port: int) -> None:  # noqa: ANN401 - of an optional package
    """Serve a page until Ctrl-C."""
    uvicorn = optional("uvicorn", "demo", "sod demo")
    uvicorn.run(application(page, port), host=HOST, port=port, log_level="warning")
