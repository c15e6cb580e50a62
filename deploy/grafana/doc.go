// Package grafana has the dashboard of a cluster, and the tests that hold it to what
// Grafana and Prometheus want.
package grafana
