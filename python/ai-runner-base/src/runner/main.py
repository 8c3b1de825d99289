"""`python -m runner.main` serves what MODEL_ID or PIPELINE names, and so does `uvicorn runner.main:app`.

An argument is one of `framerill serve`: `python -m runner.main --port 9000`.
"""

from ai_runner_base.application import create_app, load_pipeline, main

__all__ = ["app", "load_pipeline"]

app = create_app()

if __name__ == "__main__":
    main()
