"""The HTTP interface. The routes of each feature stand in its `routes` module.

    /api/run, /api/trace, /api/landscape, /api/step      viz_app.playground.routes
    /api/map, /api/tune                                  viz_app.tuning.routes
    /api/lab/…                                           viz_app.estimators.routes
    GET /api/list                                        functions, optimizers and their hyperparameters

A query that cannot be run is answered with 422 and {"errors": [{"field", "message"}]}. A run whose client has gone
is cancelled.
"""

import os

import anyio
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from viz_app.estimators import routes as estimator_routes
from viz_app.playground import routes as playground_routes
from viz_app.spec import runs as specs
from viz_app.tuning import routes as tuning_routes
from viz_app.web.requests import HEADERS, Queries


def add_routes(app: FastAPI) -> None:
    """Add the routes above to an application."""
    queries = Queries(app, anyio.CapacityLimiter(max(2, os.cpu_count() or 1)))
    for feature in (playground_routes, tuning_routes, estimator_routes):
        feature.add_routes(queries)

    @app.get("/api/list", include_in_schema=False)
    def catalogue() -> JSONResponse:
        return JSONResponse(specs.catalogue(), headers=HEADERS)
