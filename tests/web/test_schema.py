"""The application's own description of itself, and answers that keep to it."""

import re

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from striate.web import messages, messages_concepts
from web.tiny import ask

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance, negative_data_rejection,
]  # fmt: skip
OWN_HOST = {"host": "127.0.0.1:8471"}


PATHS = [
    "/", "/static/{name}", "/data/status.json", "/data/network.json", "/data/graph.json",
    "/data/classes.json", "/data/classes/{index}.json", "/data/layers/{layer}.json",
    "/data/layers/{layer}/units/{unit}.json", "/data/images/names/{page}.json",
    "/data/images/{image}.json", "/data/concepts.json", "/data/concepts/{index}.json",
    "/pictures/concepts/{layer}/{unit}.webp", "/pictures/samples/{page}.webp",
    "/pictures/layers/{layer}/{view}/{page}.webp", "/pictures/units/{layer}/{unit}.webp",
    "/pictures/layers/{layer}/synthetic/{page}.webp", "/pictures/synthetic/{layer}/{unit}.webp",
    "/pictures/thumbnails/{page}.webp", "/pictures/images/{image}.webp",
]  # fmt: skip


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_asked_the_answer_is_as_described(
    tiny_app: FastAPI, path: str, mode: GenerationMode
) -> None:
    described = schemathesis.openapi.from_dict(tiny_app.openapi())
    operation = described[path]["GET"]
    if mode is GenerationMode.NEGATIVE and not (operation.path_parameters and "/{n" not in path):
        pytest.skip("any name is well formed")
    statuses: list[int] = []

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def keeps_to_it(case: Case) -> None:
        response = case.call(app=tiny_app, headers=OWN_HOST, base_url="http://127.0.0.1:8471")
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    keeps_to_it()
    assert statuses


def test_every_route_is_asked(tiny_app: FastAPI) -> None:
    assert set(tiny_app.openapi()["paths"]) == set(PATHS)


@pytest.mark.parametrize(
    "path",
    [
        "/data/status.json", "/data/network.json", "/data/graph.json", "/data/classes.json",
        "/data/classes/1.json", "/data/layers/1.json", "/data/layers/0/units/2.json",
        "/data/layers/1/units/7.json", "/data/images/names/0.json", "/data/images/3.json",
        "/data/images/4.json",
    ],
)  # fmt: skip
def test_what_is_there_is_as_described(tiny_app: FastAPI, path: str) -> None:
    """Drawn numbers seldom exist; these do."""
    template = next(t for t in PATHS if re.fullmatch(re.sub(r"\{\w+\}", r"\\d+", t), path))
    described = schemathesis.openapi.from_dict(tiny_app.openapi())
    names = re.findall(r"\{(\w+)\}", template)
    values = re.findall(r"(?<=/)\d+(?=[/.])", path)
    case = described[template]["GET"].Case(path_parameters=dict(zip(names, values, strict=True)))
    response = case.call(app=tiny_app, headers=OWN_HOST, base_url="http://127.0.0.1:8471")
    assert response.status_code == 200
    case.validate_response(response, checks=CHECKS)


@pytest.mark.parametrize(
    "path",
    [
        "/data/network.json", "/data/layers/0.json", "/data/layers/1.json",
        "/data/layers/0/units/1.json", "/data/layers/0/units/2.json", "/data/concepts.json",
        "/data/concepts/0.json", "/data/concepts/2.json",
    ],
)  # fmt: skip
def test_what_is_said_of_concepts_is_as_described(dissected_app: FastAPI, path: str) -> None:
    test_what_is_there_is_as_described(dissected_app, path)


def test_each_message_is_described(tiny_app: FastAPI) -> None:
    described = set(tiny_app.openapi()["components"]["schemas"])
    every = {**vars(messages), **vars(messages_concepts)}
    told = {name for name, value in every.items() if isinstance(value, type)}
    told.remove("LayerFacts")  # what two messages have in common
    assert {"Network", "Unit", "Problem", "Sheets"} <= told
    assert told - described == set()


def test_each_error_is_described(tiny_app: FastAPI) -> None:
    for path, operations in tiny_app.openapi()["paths"].items():
        for method, operation in operations.items():
            assert method == "get"
            errors = {k: v for k, v in operation["responses"].items() if k >= "400"}
            assert {"401", "403", "404", "500"} <= set(errors), path
            assert ("503" in errors) is path.startswith("/pictures"), path
            for error in errors.values():
                assert list(error["content"]) == ["application/problem+json"]


def test_the_description_needs_nothing_from_elsewhere(tiny_app: FastAPI) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert ask(tiny_app, path).status == 404
    assert b"http" not in ask(tiny_app, "/openapi.json").body
