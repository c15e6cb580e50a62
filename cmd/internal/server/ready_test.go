package server

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// TestReady_SaysWhatReadyzSays: the health check of a container, which has no curl.
func TestReady_SaysWhatReadyzSays(t *testing.T) {
	status, body := http.StatusOK, "ok"
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		http.Error(w, body, status)
	}))
	defer node.Close()
	asked := func(addr string) error {
		env := func(name string) string {
			return map[string]string{"SIPCLUSTER_HTTP_ADDR": addr}[name]
		}
		cmd := ReadyCommand(&console.Console{Out: new(bytes.Buffer), Err: new(bytes.Buffer), Getenv: env})
		cmd.SetArgs(nil)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		return cmd.ExecuteContext(t.Context())
	}
	_, port, _ := strings.Cut(node.Listener.Addr().String(), ":")
	for _, addr := range []string{node.Listener.Addr().String(), ":" + port, "0.0.0.0:" + port} {
		status, body = http.StatusOK, "ok"
		if err := asked(addr); err != nil {
			t.Errorf("%s: a node that serves: %v", addr, err)
		}
		status, body = http.StatusServiceUnavailable, "draining"
		if err := asked(addr); err == nil || !strings.Contains(err.Error(), "draining") {
			t.Errorf("%s: a node that drains: %v", addr, err)
		}
	}
	node.Close()
	if err := asked(":" + port); err == nil {
		t.Error("a node that is not there is ready")
	}
	if err := asked("7080"); err == nil || !strings.Contains(err.Error(), "want HOST:PORT") {
		t.Errorf("an address that is none: %v", err)
	}
}
