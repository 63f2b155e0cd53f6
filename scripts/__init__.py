"""What a person runs: train, evaluate, benchmarks, the demonstration, services for the tests."""
