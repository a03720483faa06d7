"""Addresses of the page, from request to HTML: every one needs the role read, but the form for a key."""

import re
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from markupsafe import Markup

from ml.common.errors import BuildError, NotReadyError, SourceError
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import data_clock, manifest_of
from ml.serve.answers import check_known, current, instant_of, leased, log_answer, receipt_with_facts
from ml.serve.http_errors import HttpError
from ml.serve.pages import sign_in
from ml.serve.pages.customer import CustomerView, customer_page
from ml.serve.pages.customer_csv import csv_parts
from ml.serve.pages.customer_events import Event, customer_events
from ml.serve.pages.customer_list import customer_list, served_foot
from ml.serve.pages.customer_selection import (
    Line,
    Selection,
    line_of,
    page_of,
    rank_of,
    read_selection,
    totals_of,
)
from ml.serve.pages.data import data_page, read_choice
from ml.serve.pages.model import model_page
from ml.serve.pages.monitoring import monitoring_page
from ml.serve.pages.overview import overview
from ml.serve.pages.page_frame import page_response
from ml.serve.pages.population_totals import population_totals, usual_capacity
from ml.serve.pages.reader import check_reader, frame_of
from ml.serve.pages.receipt import receipt_page
from ml.serve.pages.score_course import score_course
from ml.serve.pages.segments import segments_page
from ml.serve.pages.static_files import static_file
from ml.serve.pages.values_as_text import key_text
from ml.serve.pages.what_if import read_supposed, what_if_page
from ml.serve.request_middleware import slowly
from ml.serve.scored_file import Scored
from ml.serve.served_state import Served, ServedState
from ml.serve.what_if import outcome_of

DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}", re.ASCII)
READER = [Depends(check_reader)]


def add_page_routes(app: FastAPI) -> None:
    """Every address of the page."""
    for path, endpoint in (
        ("/", overview_page),
        ("/customers", customers_page),
        ("/customers.csv", customers_file),
        ("/customer", customer_view),
        ("/receipt", receipt_view),
        ("/what-if", what_if_view),
        ("/segments", segments_view),
        ("/model", model_view),
        ("/data", data_view),
        ("/monitoring", monitoring_view),
    ):
        app.add_api_route(path, endpoint, dependencies=READER, include_in_schema=False)
    app.add_api_route("/static/{name}", static, include_in_schema=False)
    app.add_api_route("/sign-in", sign_in_form, include_in_schema=False)
    app.add_api_route("/sign-in", sign_in.sign_in, methods=["POST"], include_in_schema=False)
    app.add_api_route("/sign-out", sign_in.sign_out, methods=["POST"], include_in_schema=False)


async def static(request: Request, name: str) -> Response:
    """The style sheet or the icon."""
    response = static_file(name, request.headers.get("if-none-match", ""))
    if response is None:
        raise HttpError(404, "there is no such file")
    return response


async def sign_in_form(request: Request) -> Response:
    """The form for a key; without keys nobody needs it."""
    if request.app.state.doors.is_open:
        return RedirectResponse("/", 303)
    return sign_in.sign_in_page(request)


async def overview_page(request: Request) -> Response:
    state: ServedState = request.app.state.served
    served = state.get()

    def made() -> Markup:
        totals = population_totals(served)
        line = line_of(served.scored, Selection(), usual_capacity(served.model.problem, totals))
        return overview(served, totals, line, manifest_of(served.build), state.fault)

    return shown(request, "Overview", await slowly(request, made), "/", served)


async def customers_page(request: Request) -> Response:
    started, served = time.perf_counter(), served_of(request)
    selection = read_selection(request.query_params)

    def read() -> tuple[Any, ...]:
        capacity, line = line_for(served, selection)
        return page_of(served.scored, selection), totals_of(served.scored, selection), line, capacity

    rows, totals, line, capacity = await slowly(request, read)
    body = customer_list(served, selection, rows, totals, line, capacity)
    log_answer(request, served, rows, (time.perf_counter() - started) * 1000 / max(len(rows), 1))
    return shown(request, "Customers", body, "/customers", served)


async def customers_file(request: Request) -> Response:
    served, selection = served_of(request), read_selection(request.query_params)
    _, line = await slowly(request, partial(line_for, served, selection))
    parts = csv_parts(served, selection, line, request.app.state.queue, request.state.request_id)
    name = f"customers-{served.as_of:%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers=headers)


async def customer_view(request: Request) -> Response:
    started, served = time.perf_counter(), await current(request)
    customer = one_field(request, "id")
    row = check_known(served, customer)
    as_of = instant_asked(request, served, row)

    def read() -> CustomerView:
        with leased(served), served.live.build_and_load(row) as (build, load):
            course = score_course(served, build, row, as_of)
            return CustomerView(
                served,
                read_catalog(served.build),
                row,
                rank_of(served.scored, row),
                population_totals(served).customers,
                as_of,
                course,
                events_or_none(build, load, customer, course.present.at),
            )

    body = customer_page(await slowly(request, read))
    log_answer(request, served, [row], (time.perf_counter() - started) * 1000)
    return shown(request, f"Customer {key_text(customer)}", body, "", served)


def events_or_none(build: Path, load: Path, customer: str, as_of: datetime) -> list[Event] | None:
    """What happened to a customer; None where the raw rows of the build are gone."""
    try:
        return customer_events(build, load, customer, as_of)
    except (NotReadyError, SourceError, BuildError):
        return None


async def receipt_view(request: Request) -> Response:
    served, home = await current(request), request.app.state.home
    feature = one_field(request, "feature")
    row = check_known(served, one_field(request, "id"))
    if feature not in read_catalog(served.build).feature_names:
        raise HttpError(404, "there is no such feature")
    as_of = instant_asked(request, served, row)

    def read() -> Markup:
        try:
            found = receipt_with_facts(home, served, row, feature, as_of)
            return receipt_page(found, as_of, served.instant_of(row))
        except NotReadyError as error:
            raise HttpError(404, "the raw rows of this build are no longer there") from error

    return shown(request, feature, await slowly(request, read), "", served)


async def what_if_view(request: Request) -> Response:
    started, served = time.perf_counter(), await current(request)
    row, supposed = check_known(served, one_field(request, "id")), read_supposed(request.query_params)

    def read() -> Markup:
        try:
            outcome = outcome_of(served, row, supposed)
        except NotReadyError as error:
            raise HttpError(404, "the raw rows of this build are no longer there") from error
        return what_if_page(outcome, supposed, served.model.problem, read_catalog(served.build))

    body = await slowly(request, read)
    log_answer(request, served, [row], (time.perf_counter() - started) * 1000)
    return shown(request, "What if", body, "", served)


async def segments_view(request: Request) -> Response:
    served = served_of(request)
    body = await slowly(request, partial(segments_page, request.app.state.home, served))
    return shown(request, "Segments", body, "/segments", served)


async def model_view(request: Request) -> Response:
    served = served_of(request)
    body = await slowly(request, partial(model_page, request.app.state.home, served))
    return shown(request, "Model", body, "/model", served)


async def data_view(request: Request) -> Response:
    served, choice = served_of(request), read_choice(request.query_params)
    body = await slowly(request, partial(data_page, request.app.state.home, served, choice))
    return shown(request, "Data", body, "/data", served)


async def monitoring_view(request: Request) -> Response:
    served = served_of(request)
    body = await slowly(request, partial(monitoring_page, request.app.state.home, served))
    return shown(request, "Monitoring", body, "/monitoring", served)


def one_field(request: Request, name: str) -> str:
    """A field of the address that must be there."""
    value = request.query_params.get(name, "")
    if not value:
        raise HttpError(404, f"the address has no {name}")
    return value


def instant_asked(request: Request, served: Served, row: Scored) -> datetime | None:
    """The instant of ``as_of``: of a day its end, so that all of that day is in it."""
    text = request.query_params.get("as_of", "").strip()
    if not text:
        return None
    instant, clock = instant_of(text, "as_of"), max(data_clock(served.build), served.instant_of(row))
    if instant > clock:
        raise HttpError(422, f"the data end on {clock.date()}: choose that day or an earlier one")
    if DAY.fullmatch(text):
        return min(instant + timedelta(days=1) - timedelta(microseconds=1), clock)
    return instant


def line_for(served: Served, selection: Selection) -> tuple[int, Line | None]:
    """The capacity, as chosen or as the problem has it, and the line below so many of the selection."""
    capacity = selection.call or usual_capacity(served.model.problem, population_totals(served))
    return capacity, line_of(served.scored, selection, capacity) if capacity else None


def served_of(request: Request) -> Served:
    served: Served = request.app.state.served.get()
    return served


def shown(request: Request, title: str, body: Markup, current: str, served: Served) -> Response:
    """A page for its reader."""
    return page_response(title, body, frame_of(request, current, served_foot(served)))
