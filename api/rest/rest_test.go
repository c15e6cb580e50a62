package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/internal/bubble"
)

// node answers as a node would.
type node struct {
	tcpb.UnimplementedAvailabilityServer
	watched chan *tcpb.WatchRequest
}

func (n node) GetDN(ctx context.Context, req *tcpb.GetDNStatusRequest) (*tcpb.DNStatus, error) {
	if md, _ := metadata.FromIncomingContext(ctx); len(md["authorization"]) != 1 {
		return nil, status.Error(codes.Unauthenticated, "who?")
	}
	if req.GetDn() != "1001" {
		return nil, status.Error(codes.NotFound, "no DN")
	}
	return &tcpb.DNStatus{Dn: "1001", State: tcpb.DNState_DN_STATE_IN_SRV, StandbySite: "dc2"}, nil
}

func (n node) Watch(req *tcpb.WatchRequest, s grpc.ServerStreamingServer[tcpb.WatchResponse]) error {
	n.watched <- req
	events := func(dn string, snapshot bool, cursor string) *tcpb.WatchResponse {
		return &tcpb.WatchResponse{Body: &tcpb.WatchResponse_Events{Events: &tcpb.EventBatch{Events: []*tcpb.DNEvent{{Dn: dn, Snapshot: snapshot}}, Cursor: []byte(cursor)}}}
	}
	for _, m := range []*tcpb.WatchResponse{events("1", true, ""), events("2", false, "c")} {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	return status.Error(codes.Unavailable, "50% \"gone\"\nand over")
}

func serve(t *testing.T) (url string, watched chan *tcpb.WatchRequest) {
	t.Helper()
	g := grpc.NewServer()
	watched = make(chan *tcpb.WatchRequest, 1)
	tcpb.RegisterAvailabilityServer(g, node{watched: watched})
	tcpb.RegisterClusterServer(g, tcpb.UnimplementedClusterServer{})
	tcpb.RegisterDiagnosisServer(g, tcpb.UnimplementedDiagnosisServer{})
	tcpb.RegisterCallsServer(g, tcpb.UnimplementedCallsServer{})
	tcpb.RegisterStatisticsServer(g, tcpb.UnimplementedStatisticsServer{})
	configpb.RegisterConfigurationServer(g, configpb.UnimplementedConfigurationServer{})
	configpb.RegisterAccessServer(g, configpb.UnimplementedAccessServer{})
	h, err := NewHandler(g)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(g.Stop)
	return s.URL, watched
}

func send(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestREST_ARequestIsAnRPC(t *testing.T) {
	url, _ := serve(t)
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		code               int
		has                string
	}{
		"the token goes along": {"GET", "/v1/dns/1001", "", []string{"Authorization", "Bearer x"}, 200, `"standby_site":"dc2"`},
		"without one":          {"GET", "/v1/dns/1001", "", nil, 401, `"code":16`},
		"nobody":               {"GET", "/v1/dns/1002", "", []string{"Authorization", "Bearer x"}, 404, `"message":"no DN"`},
		"fields have defaults": {"GET", "/v1/dns/1001", "", []string{"Authorization", "Bearer x"}, 200, `"routable":false`},
		"no such path":         {"GET", "/v1/nothing", "", nil, 404, ""},
		"no such field":        {"GET", "/v1/dns?filter.nothing=1", "", nil, 400, "nothing"},
		"another method":       {"DELETE", "/v1/status", "", nil, 405, ""},
		"from a page of elsewhere": {"POST", "/v1/configuration", "{}", []string{
			"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"}, 403, ""},
		"what is no JSON": {"POST", "/v1/configuration", "{", []string{"Content-Type", "application/json"}, 400, ""},
		"Connect":         {"POST", "/sipcluster.tc.v1.Availability/GetDN", `{"dn":"1001"}`, []string{"Connect-Protocol-Version", "1", "Content-Type", "application/json", "Authorization", "Bearer x"}, 200, `"dn":"1001"`},
		"OpenAPI":         {"GET", "/v1/openapi.json", "", nil, 200, `"/v1/dns/{dn}:explain"`},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := send(t, c.method, url+c.path, c.body, c.headers...)
			if code != c.code || !strings.Contains(strings.ReplaceAll(body, " ", ""), strings.ReplaceAll(c.has, " ", "")) {
				t.Errorf("%d %.300s, want %d with %s", code, body, c.code, c.has)
			}
		})
	}
}

func TestStreams_AreServerSentEvents(t *testing.T) {
	url, watched := serve(t)
	code, body := send(t, "GET", url+"/v1/watch?filter.prefix=10&filter.state=DN_STATE_OOS&agents=true", "", "Last-Event-ID", "AQI=", "Authorization", "Bearer x")
	req := <-watched
	if code != 200 || req.GetFilter().GetPrefix() != "10" || req.GetFilter().GetState() != tcpb.DNState_DN_STATE_OOS || !req.GetAgents() || string(req.GetResumeCursor()) != "\x01\x02" {
		t.Errorf("%d, asked %v", code, req)
	}
	var ids, numbers []string
	var ended problem
	sc := bufio.NewScanner(strings.NewReader(body))
	for wrong := false; sc.Scan(); {
		if id, ok := strings.CutPrefix(sc.Text(), "id: "); ok {
			ids = append(ids, id)
		}
		if sc.Text() == "event: error" {
			wrong = true
		}
		data, ok := strings.CutPrefix(sc.Text(), "data: ")
		if !ok {
			continue
		}
		if wrong {
			if err := json.Unmarshal([]byte(data), &ended); err != nil {
				t.Error(err)
			}
			continue
		}
		var m struct {
			Events struct{ Events []struct{ Dn string } }
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			t.Error(err)
		}
		numbers = append(numbers, m.Events.Events[0].Dn)
	}
	if strings.Join(ids, " ") != "Yw==" || strings.Join(numbers, " ") != "1 2" || ended.Code != int(codes.Unavailable) || ended.Message != "50% \"gone\"\nand over" {
		t.Errorf("ids %v, DNs %v, ended %+v, in\n%s", ids, numbers, ended, body)
	}
	if _, body = send(t, "GET", url+"/v1/watch?snapshot=false", ""); strings.Contains(body, `"dn":"1"`) || !strings.Contains(strings.ReplaceAll(body, " ", ""), `"dn":"2"`) {
		t.Errorf("without a snapshot:\n%s", body)
	}
	<-watched
	for _, query := range []string{"filter=1", "filter.prefix.x=1", "nothing=1", "agents=maybe", "filter.state=9", "resume_cursor=%25", "filter..prefix=1", "filter.prefix=%ff"} {
		if code, body := send(t, "GET", url+"/v1/watch?"+query, ""); code != 400 || !strings.Contains(body, `"code":3`) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	if code, body := send(t, "GET", url+"/v1/audit", ""); code != 501 || !strings.Contains(body, `"code":12`) {
		t.Errorf("an error before the first message: %d %s", code, body)
	}
}

// TestREST_ABodyThatDoesNotCome: the request ends; the bubble's time passes at once.
func TestREST_ABodyThatDoesNotCome(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		seen := make(chan error, 1)
		s := &http.Server{Handler: timely(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			seen <- err
		}))}
		ln := &oneConn{conn: server, closed: make(chan struct{})}
		done := make(chan error, 1)
		go func() { done <- s.Serve(ln) }()
		began := time.Now()
		if _, err := io.WriteString(client, "POST /v1/configuration HTTP/1.1\r\nHost: n\r\nContent-Length: 10\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, client) }()
		if err := <-seen; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > 2*readWithin {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// over are the RPCs that are not served over REST, and why.
var over = map[protoreflect.FullName]string{
	"sipcluster.config.v1.Configuration.Import":   "streams to the node",
	"sipcluster.config.v1.Configuration.Restore":  "streams to the node",
	"sipcluster.config.v1.Configuration.Export":   "a stream of what is read whole: by the command line, or Connect",
	"sipcluster.config.v1.Configuration.Backup":   "likewise",
	"sipcluster.tc.v1.Diagnosis.CollectReports":   "files for a person: by the command line (support bundle)",
	"sipcluster.config.v1.Access.RekeyNode":       "for the operator at the machine",
	"sipcluster.config.v1.Access.DistrustNode":    "likewise",
	"sipcluster.config.v1.Access.ShowAuthority":   "likewise",
	"sipcluster.config.v1.Access.RotateAuthority": "likewise",
	"sipcluster.config.v1.Access.RotateKeys":      "likewise",
	"sipcluster.config.v1.Access.ListKeys":        "likewise",
}

func TestREST_EveryRPCHasAWayOrAReason(t *testing.T) {
	rules, err := httpRules()
	if err != nil {
		t.Fatal(err)
	}
	served := map[protoreflect.FullName]bool{}
	for _, r := range rules {
		served[protoreflect.FullName(r.GetSelector())] = true
	}
	for _, s := range streams {
		served[s.method] = true
	}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				name := f.Services().Get(i).Methods().Get(j).FullName()
				of := strings.HasPrefix(string(name), "sipcluster.tc.") || strings.HasPrefix(string(name), "sipcluster.config.")
				if of && served[name] == (over[name] != "") {
					t.Errorf("%s is to be in rules.yaml, in streams.go, or named here", name)
				}
			}
		}
		return true
	})
}

func FuzzFill(f *testing.F) {
	f.Add("filter.prefix=10&agents=true&resume_cursor=AQI%3D")
	f.Add("filter.prefix=%ff")
	m, err := methodOf("sipcluster.tc.v1.Availability.Watch")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		req := m.in.New()
		if fill(req, r.URL.Query()) == nil {
			if _, err := request(r, m.path, req.Interface()); err != nil {
				t.Error(err)
			}
		}
	})
}
