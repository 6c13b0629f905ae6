//! What every process needs: configuration, telemetry, signals, drain, health.
