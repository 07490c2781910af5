"""The microservice chassis: how a service hears, decides and speaks without loss or doubling."""
