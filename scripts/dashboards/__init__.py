"""The dashboards as pictures, without a Grafana: `python -m scripts.dashboards url=http://prometheus:9090 out=DIR`.

boards    what the JSON files of the dashboards say of their panels
ranges    what a Prometheus answers to a panel's expressions
drawing   a dashboard as one PNG

Grafana draws more: this is what a report or a machine without Grafana needs, from the very files that Grafana reads.
"""
