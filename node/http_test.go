package node

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
)

// httpSecured: the HTTP port of a node that asks who one is.
func httpSecured(t *testing.T, all []*member) {
	a := all[0]
	made := func(role configpb.Role) string {
		r, err := configpb.NewAccessClient(a.admin(t, a)).CreateToken(t.Context(), &configpb.CreateTokenRequest{Name: "scraper", Role: role})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetSecret()
	}
	metrics, stat := made(configpb.Role_ROLE_METRICS), made(configpb.Role_ROLE_STAT)
	reached := a.askHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, c := range []struct {
		from, path, token string
		secured           bool
		want              int
	}{
		{"127.0.0.1:9", "/metrics", "", false, 200}, {"[::1]:9", "/debug/pprof/", "", false, 200}, {"[::ffff:127.0.0.1]:9", "/metrics", "", false, 200},
		{"192.0.2.1:9", "/healthz", "", false, 200}, {"192.0.2.1:9", "/readyz", "", false, 200},
		{"192.0.2.1:9", "/metrics", "", false, 403}, {"192.0.2.1:9", "/metrics", metrics, false, 403}, {"192.0.2.1:9", "/other", "", false, 403},
		{"192.0.2.1:9", "/metrics", "", true, 401}, {"192.0.2.1:9", "/metrics", "sct_wrong", true, 401}, {"192.0.2.1:9", "/metrics", metrics, true, 200},
		{"192.0.2.1:9", "/v1/status", "", false, 403}, {"192.0.2.1:9", "/v1/status", "", true, 200}, {"192.0.2.1:9", "/sipcluster.tc.v1.Cluster/Status", "", true, 200},
		{"192.0.2.1:9", "/board/", "", false, 403}, {"192.0.2.1:9", "/board/", "", true, 200}, {"192.0.2.1:9", "/v1", "", true, 401},
		{"192.0.2.1:9", "/debug/pprof/", metrics, true, 403}, {"192.0.2.1:9", "/metrics", stat, true, 403},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.RemoteAddr = c.from
		if c.token != "" {
			r.Header.Set("Authorization", credential.Bearer+c.token)
		}
		if c.secured {
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		reached.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s from %s over TLS %v: %d, want %d", c.path, c.from, c.secured, w.Code, c.want)
		}
	}
	bothOfHTTP(t, a)
	servicesOfHTTP(t, a, map[string]int{"": 401, "sct_wrong": 401, stat: 200, metrics: 403})
}

// servicesOfHTTP: whose token may call a service is asked over loopback, too.
func servicesOfHTTP(t *testing.T, m *member, answers map[string]int) {
	t.Helper()
	for token, want := range answers {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.cfg.HTTPAddr+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", credential.Bearer+token)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want || want == 200 && !strings.Contains(string(b), m.cfg.Name) {
			t.Errorf("with %.8q: %d %.200s, want %d", token, res.StatusCode, b, want)
		}
	}
}

// bothOfHTTP: TLS and plain are served at one port.
func bothOfHTTP(t *testing.T, m *member) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", m.cfg.HTTPAddr)
	}
	chain := m.who.Certificate().Certificate
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: credential.TLS([]string{credential.Fingerprint(chain[1])}).VerifyConnection}}
	defer transport.CloseIdleConnections()
	for _, scheme := range []string{"http", "https"} {
		res, err := (&http.Client{Transport: transport}).Get(scheme + "://node/metrics")
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 || !strings.Contains(string(b), "sipcluster_security_events_total") {
			t.Errorf("%s: %d", scheme, res.StatusCode)
		}
	}
}
