"""``/docs``: the routes as a page without script and without a request to another host."""

from typing import Any

from markupsafe import Markup

from ml.page.document import code, document, header, join_parts, paragraph, section, table

EXAMPLE = """curl -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
     -d '{"customer_ids": ["C0000042"], "reasons": true}' http://127.0.0.1:8000/v1/scores"""


def docs_page(schema: dict[str, Any]) -> str:
    """The page of an OpenAPI schema."""
    parts = [header(f"{schema['info']['title']} over HTTP", schema["info"]["description"])]
    parts.append(section("example", "Example", code(EXAMPLE)))
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            parts.append(route_section(path, method, route))
    parts.append(paragraph("The same for machines: /openapi.json."))
    return document(f"{schema['info']['title']} over HTTP", join_parts(*parts))


def route_section(path: str, method: str, route: dict[str, Any]) -> Markup:
    """One route: what it answers, its parameters, its statuses."""
    rows = [
        [parameter["name"], parameter["in"], "yes" if parameter.get("required") else "no"]
        for parameter in route.get("parameters", [])
    ]
    statuses = ", ".join(f"{status} {answer['description']}" for status, answer in route["responses"].items())
    return section(
        f"{method}-{path}",
        f"{method.upper()} {path}",
        paragraph(route.get("summary", "")),
        *([table(("parameter", "in", "required"), rows, texts=(0, 1, 2))] if rows else []),
        paragraph(statuses),
    )
