# make demo: install into .venv and run the main scenario.  make test: install and run every check and test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test gallery clean

$(STAMP): pyproject.toml install-system.sh
	sh install-system.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/femsim run scenarios/60gy-12-months.yaml

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --durations=15

gallery: $(STAMP)
	for file in scenarios/*.yaml; do $(BIN)/femsim run $$file || exit 1; done

clean:
	rm -rf $(VENV)
