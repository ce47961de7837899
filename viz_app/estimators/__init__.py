"""How well the diagonal-Hessian estimators estimate; the tab beside the map on `/tuning`."""
