package node

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// TestHTTP_NoNameOfSomebodyElse: a page that had its own name mean this node's address
// gets nothing; who asks by what only this node can be, does.
func TestHTTP_NoNameOfSomebodyElse(t *testing.T) {
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{cfg: Config{HTTPAddr: "sip1.example.com:7080", Advertise: []string{"sip1.example.net", "http=Board.example.org:443"}}}
	reached := n.askedByName(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, c := range []struct {
		host, path string
		secured    bool
		want       int
	}{
		{"127.0.0.1:7080", "/board/", false, 200}, {"127.0.0.1", "/board/", false, 200}, {"[::1]:7080", "/board/", false, 200}, {"[fe80::1]", "/board/", false, 200},
		{"192.0.2.7:7080", "/metrics", false, 200}, {"localhost:7080", "/board/", false, 200}, {"LOCALHOST", "/board/", false, 200},
		{"board.localhost:7080", "/board/", false, 200}, {"sip1:7080", "/v1/status", false, 200}, {"", "/v1/status", false, 200},
		{"sip1.example.com:7080", "/board/", false, 200}, {"sip1.example.net", "/board/", false, 200}, {"board.example.org.:443", "/board/", false, 200},
		{machine, "/board/", false, 200},
		{"evil.example:7080", "/board/", false, 421}, {"evil.example", "/v1/status", false, 421}, {"evil.example.", "/metrics", false, 421},
		{"127.0.0.1.evil.example:7080", "/v1/status", false, 421}, {"localhost.evil.example", "/debug/pprof/", false, 421}, {"sip1.example.com.evil.example", "/", false, 421},
		{"evil.example:7080:7080", "/v1/status", false, 421}, {"[evil.example]:7080", "/v1/status", false, 421}, {"0x7f.1.evil.example", "/v1/status", false, 421},
		{"evil.example:7080", "/healthz", false, 200}, {"evil.example:7080", "/readyz", false, 200}, {"evil.example:7080", "/board/", true, 200},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Host = c.host
		if c.secured {
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		reached.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s of Host %q over TLS %v: %d, want %d", c.path, c.host, c.secured, w.Code, c.want)
		}
	}
}
