"""The query API and the dashboard: read from Redis, served by the gateway."""
