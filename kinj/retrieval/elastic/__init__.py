"""The index on an Elasticsearch cluster, built by kinj or by somebody else."""
