# make demo: install into .venv and run the main scenario.
# make test: install and run every check and every test that is not marked slow.
# make studies: run or continue the studies of scenarios/studies and write their pages under docs/studies.
# make validate: the slow ones: the real jaw, long brute-force comparisons, many killed runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test validate gallery studies comparison clean

$(STAMP): pyproject.toml install-system.sh
	sh install-system.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/femsim run scenarios/60gy-12-months.yaml

test: $(STAMP)
	sh install-system.sh test
	if command -v npm >/dev/null 2>&1; then npm ci --prefix tests/browser --no-audit --no-fund --silent || true; fi
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m 'not slow' --durations=15

validate: $(STAMP)
	$(BIN)/python -m pytest -m slow --durations=0

gallery: $(STAMP)
	for file in scenarios/*.yaml; do $(BIN)/femsim run $$file || exit 1; done

studies: $(STAMP)
	$(BIN)/python docs/make_studies.py

# Pages of docs/compare.md: three plates over two jaws; runs what was not run yet.
comparison: $(STAMP)
	$(BIN)/python docs/make_comparison.py

clean:
	rm -rf $(VENV)
