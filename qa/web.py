"""The web door: the search page, the view of a document at the cited place, and the JSON endpoint.

Three promises are kept here for every response: nothing from a document, a file name or a question reaches HTML
unescaped; nothing is fetched from, or sent to, another machine; an error says what to do next and shows no insides.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Collection
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, render_template, request, send_file, send_from_directory
from flask.json.provider import DefaultJSONProvider
from markupsafe import Markup
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    NotFound,
    RequestURITooLarge,
    ServiceUnavailable,
    UnsupportedMediaType,
)

from qa import coverage, pageview, viewing
from qa.asking import FILTER_FIELDS, QUESTION_FIELDS, Question, from_fields, from_json, read_fields
from qa.errors import IndexBusy, IndexMissing, IndexUnusable, ModelUnusable, QAError, UnreadableFile, UsageError
from qa.facsimiles import Facsimiles
from qa.payload import (
    DEFAULT_LIMIT,
    MAX_OFFSET,
    MAX_QUESTION_CHARS,
    answer_to_json,
    confidence_in_words,
    document_to_json,
    has_answer,
    original_link,
    query_link,
    view_link,
    well_formed,
)
from qa.records import Answer, Document, Filter, Source, Span
from qa.sourceview import reflowed_segments

MAX_BODY_BYTES = 64 * 1024
# 2,000 characters of any script, percent-encoded, are at most 24,000 bytes.
MAX_QUERY_STRING_BYTES = 32 * 1024
# More than any address that is answered, so that one too long is refused by the app, in its own words.
MAX_HEADER_BYTES = 1024 * 1024

_LOG = logging.getLogger(__name__)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# A file is foreign: whatever it holds, it runs nothing and reaches nothing of ours.
_FILE_POLICY = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox"
# A sandbox would stop the browsers' own PDF viewers, which style themselves inline and need no more than that.
_PDF_POLICY = (
    "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
)
_STATIC_TYPES = {".css": "text/css", ".mjs": "text/javascript", ".svg": "image/svg+xml"}

_UNSEEN = re.compile("[\0\ud800-\udfff]")
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_WHAT_TO_DO = {
    404: "There is nothing at this address. The search is at / and the description of all addresses at /openapi.json.",
    405: "This address does not take that method; the Allow header names those that it takes.",
    413: f"The body is larger than {MAX_BODY_BYTES} bytes. Shorten the question to {MAX_QUESTION_CHARS} characters.",
    414: f"The address is too long. Shorten the question to {MAX_QUESTION_CHARS} characters.",
    415: "Send the body as application/json or as application/x-www-form-urlencoded.",
    500: "Something went wrong inside the program; its log says what. `qa status` looks over the index.",
    503: "The index is not ready. `qa status` says why.",
}


class SupportsAsk(viewing.HoldsDocuments, Protocol):
    """What the web door needs of an engine. The methods may be called from several threads at once."""

    def ask(
        self,
        question: str,
        *,
        limit: int = ...,
        offset: int = ...,
        filter: Filter = ...,
        explain: bool = ...,
        as_typed: bool = ...,
    ) -> Answer:
        """Raises UsageError for a question that cannot be asked."""

    def original(self, document_id: str) -> Path | None:
        """The file on disk; None if it is gone."""

    def stale(self, document_id: str) -> str:
        """ "" while the file is the one that was indexed, else "changed" or "missing"."""

    def status(self) -> dict[str, Any]:
        """What the index holds and what is wrong with it, JSON-ready."""

    def ready(self) -> bool:
        """Whether a question would be answered now."""


def assets() -> Path:
    """The folder of templates and static files: `qa/_web` in an installed wheel, `web` beside `qa` in a checkout."""
    room = Path(__file__).resolve().parent
    for folder in (room / "_web", room.parent / "web"):
        if (folder / "openapi.json").is_file():
            return folder
    raise QAError(f"The web pages that belong beside {room} are missing.", "Install the package again.")


def create_app(
    engine: SupportsAsk, *, allowed_hosts: Collection[str] = (), facsimiles: Facsimiles | None = None
) -> Flask:
    """The web application over `engine`; pages of PDF files are drawn by `facsimiles`.

    A request must name in its Host header a loopback address, "localhost", or one of `allowed_hosts` (without ports),
    so that no page of another site can reach it by pointing its own name here. If an address that means "all
    interfaces" is among them ("0.0.0.0", "::"), any numeric address will do.
    """
    folder = assets()
    app = Flask(__name__, static_folder=None, template_folder=str(folder / "templates"))
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json = _json(app)
    app.jinja_options = {"finalize": _printable, "trim_blocks": True, "lstrip_blocks": True}
    # Otherwise //host/path is answered with a redirect.
    app.url_map.merge_slashes = False
    _add_guards(app, allowed_hosts)
    _add_errors(app)
    _add_api(app, engine, folder)
    _add_pages(app, engine, folder, facsimiles or Facsimiles())
    return app


def _json(app: Flask) -> DefaultJSONProvider:
    provider = DefaultJSONProvider(app)
    provider.sort_keys = False
    provider.ensure_ascii = False
    return provider


def serve(
    engine: SupportsAsk,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    threads: int = 4,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serves until interrupted. `port` 0 takes a free one; `on_ready` is called with the URL once it answers.

    Raises UsageError if host and port cannot be had.
    """
    from waitress.server import create_server

    # The resolver would wrap a larger number round and serve on another port.
    if not 0 <= port <= 65_535:
        raise UsageError(f"There is no port {port}.", "Choose one from 1 to 65535 with --port.")
    everywhere = _is_wildcard(host)
    facsimiles = Facsimiles()
    hosts = [host, socket.gethostname()] if everywhere else [host]
    app = create_app(engine, allowed_hosts=hosts, facsimiles=facsimiles)
    try:
        server = create_server(
            app,
            host=host,
            port=port,
            threads=threads,
            ident=None,
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=16 * MAX_BODY_BYTES,
        )
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(
            f"Cannot serve on {host} port {port}: {reason}.",
            "Choose another with --port, or end the program that has it.",
        ) from error
    if not _is_loopback(host):
        _LOG.warning(
            "Serving on %s: everyone who can reach this machine can read the indexed documents. There is no password.",
            host,
        )
    try:
        if on_ready is not None:
            bound = server.effective_listen[0][1] if hasattr(server, "effective_listen") else server.effective_port
            shown = "localhost" if everywhere else host
            on_ready(f"http://[{shown}]:{bound}/" if ":" in shown else f"http://{shown}:{bound}/")
        server.run()
    finally:
        server.task_dispatcher.shutdown()
        server.close()
        facsimiles.close()


# ---------------------------------------------------------------------------------------------------------- guards


def _add_guards(app: Flask, allowed_hosts: Collection[str]) -> None:
    names = frozenset(name.lower().strip("[]") for name in allowed_hosts)
    any_number = any(_is_wildcard(name) for name in names)

    @app.before_request
    def refuse() -> None:
        header = request.environ.get("HTTP_HOST", "")
        if not _is_allowed(header, names, any_number):
            raise BadRequest("This host name is not served here. Use http://localhost, or name the host to `qa serve`.")
        if len(request.query_string) > MAX_QUERY_STRING_BYTES:
            raise RequestURITooLarge

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _is_allowed(header: str, names: Collection[str], any_number: bool) -> bool:
    try:
        parts = urlsplit(f"//{header}")
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.netloc != header or "@" in header:
        return False
    if host in names or _is_loopback(host):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return any_number


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_wildcard(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return host in ("", "*")


def _printable(value: Any) -> Any:
    """What HTML cannot carry becomes U+FFFD, one for one; called by Jinja on every value, before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNSEEN.sub("\ufffd", value)
    return value


# ---------------------------------------------------------------------------------------------------------- errors


def _add_errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response | HTTPException:
        if error.code is None:
            return error
        default = error.description == type(error).description
        response = _failure(error.code, _WHAT_TO_DO.get(error.code) if default else error.description)
        for name, value in error.get_headers():
            if name in ("Allow", "Content-Range"):
                response.headers[name] = value
        return response

    @app.errorhandler(UsageError)
    def usage(error: UsageError) -> Response:
        return _failure(400, str(error))

    @app.errorhandler(IndexMissing)
    @app.errorhandler(IndexUnusable)
    @app.errorhandler(IndexBusy)
    @app.errorhandler(ModelUnusable)
    def unusable(error: QAError) -> Response:
        return _failure(503, str(error))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        # The question stays out of the log: it is the user's own.
        _LOG.error("%s %s failed", request.method, ascii(request.path), exc_info=error)
        return _failure(500, None)


def _failure(status: int, detail: str | None) -> Response:
    title = HTTPStatus(status).phrase
    said = detail or _WHAT_TO_DO.get(status) or title
    if request.path.startswith("/api/") or request.path in ("/openapi.json", "/livez", "/readyz"):
        problem = {"type": "about:blank", "title": title, "status": status, "detail": said}
        response = jsonify(well_formed(problem))
        response.mimetype = "application/problem+json"
    else:
        response = Response(render_template("error.html", title=title, detail=said), mimetype="text/html")
    response.status_code = status
    return response


# ------------------------------------------------------------------------------------------------------------- API


def _add_api(app: Flask, engine: SupportsAsk, folder: Path) -> None:
    @app.route("/api/v1/query", methods=["GET", "POST"])
    def query() -> Response:
        if request.method == "POST":
            asked = _from_body()
        else:
            asked = from_fields(read_fields(request.query_string, QUESTION_FIELDS | FILTER_FIELDS))
        answer = _ask(engine, asked)
        return jsonify(answer_to_json(answer, explain=asked.explain, filter=asked.filter, as_typed=asked.as_typed))

    @app.get("/api/v1/documents/<document_id>")
    def document(document_id: str) -> Response:
        read_fields(request.query_string, ())
        source, document = _find(engine, document_id)
        return jsonify(document_to_json(source, document, engine.stale(document_id)))

    @app.get("/api/v1/documents/<document_id>/text")
    def text(document_id: str) -> Response:
        read_fields(request.query_string, ())
        _, document = _find(engine, document_id)
        return Response(well_formed(document.text), mimetype="text/plain")

    @app.get("/api/v1/status")
    def status() -> Response:
        read_fields(request.query_string, ())
        return jsonify(well_formed(engine.status()))

    @app.get("/openapi.json")
    def openapi() -> Response:
        return send_file(folder / "openapi.json", mimetype="application/json")

    @app.get("/livez")
    def livez() -> Response:
        return jsonify({"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        if not engine.ready():
            raise ServiceUnavailable
        return jsonify({"status": "ok"})


def _from_body() -> Question:
    if request.query_string:
        raise UsageError("A POST takes its parameters in the body.", "Leave the address without a query string.")
    body = request.get_data(cache=False)
    if request.mimetype == "application/json":
        return from_json(body)
    if request.mimetype == "application/x-www-form-urlencoded":
        return from_fields(read_fields(body, QUESTION_FIELDS | FILTER_FIELDS))
    raise UnsupportedMediaType


def _ask(engine: SupportsAsk, asked: Question) -> Answer:
    return engine.ask(
        asked.text,
        limit=asked.limit,
        offset=asked.offset,
        filter=asked.filter,
        explain=asked.explain,
        as_typed=asked.as_typed,
    )


def _find(engine: SupportsAsk, document_id: str) -> tuple[Source, Document]:
    try:
        return engine.document(document_id)
    except UsageError as error:
        raise NotFound(str(error)) from error


# ----------------------------------------------------------------------------------------------------------- pages


def _add_pages(app: Flask, engine: SupportsAsk, folder: Path, facsimiles: Facsimiles) -> None:
    @app.get("/")
    def search() -> tuple[str, int]:
        try:
            fields = read_fields(request.query_string, {"q", "limit", "offset", "as_typed"} | FILTER_FIELDS)
        except UsageError as error:
            return render_template("search.html", fields={}, error=str(error)), 400
        if "q" not in fields:
            return render_template("search.html", fields=fields, status=engine.status()), 200
        try:
            asked = from_fields(fields)
            answer = _ask(engine, asked)
        except UsageError as error:
            shown = {name: value[:MAX_QUESTION_CHARS] for name, value in fields.items()}
            return render_template("search.html", fields=shown, error=str(error)), 400
        return render_template("search.html", fields=fields, **_results(asked, answer)), 200

    @app.get("/doc/<document_id>")
    def source_view(document_id: str) -> str | tuple[str, int]:
        fields = read_fields(request.query_string, viewing.FIELDS | {"page"})
        if not re.fullmatch("[1-9][0-9]{0,6}", fields.get("page", "1")):
            raise UsageError("`page` is no number of a page, from 1.", "Leave it out to see the cited place.")
        pages: pageview.PageView | None = None

        def beside(source: Source, document: Document, mark: Span | None) -> Document:
            nonlocal pages
            if source.media_type != pageview.MEDIA_TYPE or "from" in fields:
                return document
            file = None if engine.stale(source.id) else engine.original(source.id)
            try:
                pages = pageview.view(facsimiles, source, document, file, mark, fields)
            except pageview.NoSuchPage as error:
                raise NotFound(str(error)) from error
            return pages.beside

        question = fields.get("q", "")
        view = viewing.opened(engine, document_id, fields, beside)
        if view is None:
            words = fields.get("exact", "")[: MAX_QUESTION_CHARS - 2].replace('"', " ").strip()
            return render_template(
                "error.html",
                title=HTTPStatus.NOT_FOUND.phrase,
                detail=f"There is no document {document_id} in this index. Was it removed, or changed and moved?",
                search=query_link("/", f'"{words}"', DEFAULT_LIMIT, 0) if words else "",
            ), 404
        stale = engine.stale(view.source.id)
        has_original = engine.original(view.source.id) is not None
        return render_template(
            "source.html",
            view=view,
            source=view.source,
            pages=pages,
            stale=stale,
            original=original_link(view.source, None if stale else view.page) if has_original else "",
            back=query_link("/", question, DEFAULT_LIMIT, 0) if question else "/",
            earlier="" if pages and pages.pages else view.earlier,
            later=pages.text if pages and pages.text and view.later else view.later,
            question=question,
        )

    @app.get("/doc/<document_id>/original")
    def original(document_id: str) -> Response:
        read_fields(request.query_string, ())
        source, _ = _find(engine, document_id)
        path = engine.original(document_id)
        if path is None or not path.is_file():
            raise NotFound(_gone(source))
        try:
            response = _file(path, source)
        except OSError as error:
            raise NotFound(_gone(source)) from error
        if engine.stale(document_id):
            response.headers["X-Document-Changed"] = "true"
        return response

    @app.get("/doc/<document_id>/page/<number>.png")
    def page_picture(document_id: str, number: str) -> Response:
        fields = read_fields(request.query_string, {"v"})
        source, _ = _find(engine, document_id)
        file = engine.original(document_id)
        if not re.fullmatch("[1-9][0-9]{0,6}", number):
            raise NotFound("Pages are counted from 1, as in page/1.png.")
        if source.media_type != pageview.MEDIA_TYPE:
            raise NotFound(f"Only pages of PDF files have pictures; {source.path!r} is none.")
        if file is None or engine.stale(document_id) or not source.sha256.startswith(fields.get("v", "")):
            raise NotFound(f"The file {source.path!r} is not the one that was indexed; its pages are not shown.")
        try:
            picture = facsimiles.picture(file, source.sha256, int(number))
        except UnreadableFile as error:
            said = f"Page {number} of {source.path!r} cannot be shown: the file {error.what}. {error.remedy}"
            raise NotFound(said) from error
        response = Response(picture.png, mimetype="image/png")
        response.set_etag(f"{source.sha256}-{number}")
        response.make_conditional(request)
        return response

    @app.get("/static/<name>")
    def static(name: str) -> Response:
        read_fields(request.query_string, ())
        kind = _STATIC_TYPES.get(PurePosixPath(name).suffix)
        if kind is None:
            raise NotFound
        return send_from_directory(folder / "static", name, mimetype=kind)


def _results(asked: Question, answer: Answer) -> dict[str, Any]:
    link = partial(query_link, "/", answer.query, answer.limit, filter=asked.filter, as_typed=asked.as_typed)
    after = answer.offset + answer.limit
    return {
        "answer": answer,
        "answered": has_answer(answer),
        "not_covered": coverage.words(answer.index.coverage),
        "citations": {citation.number: citation for citation in answer.citations},
        "confidence": confidence_in_words(answer.confidence),
        "original_link": original_link,
        "segments": lambda passage: reflowed_segments(passage.segments),
        "view": partial(view_link, answer),
        "earlier": link(offset=max(0, answer.offset - answer.limit)) if answer.offset else "",
        "unfiltered": query_link("/", answer.query, answer.limit, 0),
        "as_typed": link(offset=0, as_typed=True),
        "later": link(offset=after) if after < answer.total and after <= MAX_OFFSET else "",
    }


def _gone(source: Source) -> str:
    return (
        f"The file {source.path!r} is no longer there or cannot be read. Its text as indexed can still be seen at "
        f"/doc/{source.id}; `qa index` brings the index up to date."
    )


def _file(path: Path, source: Source) -> Response:
    """The file itself: a PDF for the browser's viewer, text as plain text, anything else to be saved, never run."""
    name = _CONTROLS.sub("_", well_formed(PurePosixPath(source.path).name))
    is_pdf = source.media_type == "application/pdf"
    is_text = source.media_type.startswith("text/")
    response = send_file(
        path.absolute(),
        mimetype="text/plain" if is_text else source.media_type,
        as_attachment=not is_pdf and not is_text,
        download_name=name,
    )
    response.headers["Content-Security-Policy"] = _PDF_POLICY if is_pdf else _FILE_POLICY
    return response
