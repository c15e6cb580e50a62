package rest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/bounds"
)

func packed(t *testing.T, parts ...[]byte) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for _, p := range parts {
		if _, err := z.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestREST_WhatCantBeRead is refused as the client's fault, as JSON, and with nothing
// of another status beside it.
func TestREST_WhatCantBeRead(t *testing.T) {
	url, _ := serve(t)
	bomb := packed(t, []byte(`{"request_id":"`), bytes.Repeat([]byte("a"), 3*bounds.MaxMessage), []byte(`"}`))
	token := []string{"Authorization", "Bearer x"}
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		code               int
		has                string
	}{
		"packed":                            {"POST", "/v1/configuration", packed(t, []byte("{}")), []string{"Content-Encoding", "gzip"}, 501, `"code":12`},
		"packed, and much too large":        {"POST", "/v1/configuration", bomb, []string{"Content-Encoding", "gzip"}, 429, `"code":8`},
		"not packed, as it says":            {"POST", "/v1/configuration", "{}", []string{"Content-Encoding", "gzip"}, 400, `"code":3`},
		"packed otherwise":                  {"POST", "/v1/configuration", "{}", []string{"Content-Encoding", "br"}, 415, `"code":3`},
		"no UTF-8":                          {"POST", "/v1/configuration", "{\"\xff\"", nil, 400, "not UTF-8"},
		"not an object":                     {"POST", "/v1/configuration", "[]", nil, 400, `"code":3`},
		"a field that there is not":         {"POST", "/v1/configuration", `{"x":1}`, nil, 400, `"code":3`},
		"nothing is an empty request":       {"POST", "/v1/bans:clear", "", nil, 501, `"code":12`},
		"another media type":                {"POST", "/v1/configuration", "{}", []string{"Content-Type", "text/plain"}, 415, "want application/json"},
		"another charset":                   {"POST", "/v1/configuration", "{}", []string{"Content-Type", "application/json; charset=latin1"}, 415, "want application/json"},
		"a media type is of any case":       {"POST", "/v1/configuration", "{}", []string{"Content-Type", "Application/JSON; Charset=UTF-8"}, 501, `"code":12`},
		"a body and a query":                {"POST", "/v1/bans:clear?dn=1001", "{}", nil, 400, "has no query"},
		"a query alone":                     {"POST", "/v1/bans:clear?dn=1001", "", nil, 501, `"code":12`},
		"twice, by both names":              {"GET", "/v1/dns?page_size=1&pageSize=2", "", nil, 400, "given twice"},
		"no time":                           {"GET", "/v1/events?since=yesterday", "", nil, 400, `since=\"yesterday\": want a time`},
		"a time":                            {"GET", "/v1/events?since=2026-01-02T14:00:00.5%2B01:00", "", nil, 501, `"code":12`},
		"no such path":                      {"GET", "/v1/nothing", "", nil, 404, `"code":5`},
		"another method":                    {"DELETE", "/v1/status", "", nil, 405, `"code":12`},
		"another method of a stream":        {"HEAD", "/v1/watch", "", nil, 405, ""},
		"from a page of elsewhere":          {"POST", "/v1/configuration", "{}", []string{"Sec-Fetch-Site", "cross-site"}, 403, `"code":7`},
		"headers of others are no gRPC":     {"GET", "/v1/dns/1001", "", append([]string{"X-Bin", "!", "Grpc-Timeout", "x"}, token...), 200, `{"dn":"1001","kind"`},
		"another thing than in the path":    {"DELETE", "/v1/nodes/sip1?name=sip2", "", nil, 400, "name is in the path"},
		"the same of a verb":                {"GET", "/v1/dns/1001:explain?dn=1002", "", nil, 400, "dn is in the path"},
		"the same of a stream":              {"GET", "/v1/nodes/sip1/watch?name=sip2", "", nil, 400, "name is in the path"},
		"twice":                             {"GET", "/v1/dns?filter.group=a&filter.group=b", "", nil, 400, "given twice"},
		"twice, to a stream":                {"GET", "/v1/watch?agents=true&agents=false", "", nil, 400, "given twice"},
		"half a query":                      {"GET", "/v1/dns?filter.prefix=%zz", "", nil, 400, `"code":3`},
		"half a query to a stream":          {"GET", "/v1/watch?filter.prefix=1;x", "", nil, 400, `"code":3`},
		"a snapshot, or none":               {"GET", "/v1/watch?snapshot=no", "", nil, 400, "true or false"},
		"broken JSON over Connect":          {"POST", "/sipcluster.tc.v1.Availability/GetDN", "{", []string{"Connect-Protocol-Version", "1"}, 400, `"code":"invalid_argument"`},
		"packed over Connect":               {"POST", "/sipcluster.tc.v1.Availability/GetDN", packed(t, []byte(`{"dn":"1001"}`)), append([]string{"Connect-Protocol-Version", "1", "Content-Encoding", "gzip"}, token...), 200, `"dn":"1001"`},
		"packed and too large over Connect": {"POST", "/sipcluster.tc.v1.Availability/GetDN", bomb, []string{"Connect-Protocol-Version", "1", "Content-Encoding", "gzip"}, 429, `"code":"resource_exhausted"`},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.method == http.MethodPost {
				r.Header.Set("Content-Type", "application/json")
			}
			for i := 0; i+1 < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != c.code || !strings.Contains(strings.ReplaceAll(string(b), `": "`, `":"`), c.has) || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %v %.300s, want %d with %s: %v", res.StatusCode, res.Header, b, c.code, c.has, err)
			}
			if res.Header.Get("Grpc-Status") != "" && strings.HasPrefix(c.path, "/v1/") || len(res.Trailer) > 0 && strings.HasPrefix(c.path, "/v1/") {
				t.Errorf("another status goes along: %v, %v", res.Header, res.Trailer)
			}
			if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%v", res.Header)
			}
		})
	}
}

// TestUnzipped_EndsAtTheGreatestMessage: whatever it would become.
func TestUnzipped_EndsAtTheGreatestMessage(t *testing.T) {
	u := &unzipped{}
	for range 2 { // the transcoder uses it again
		if err := u.Reset(strings.NewReader(packed(t, make([]byte, 4*bounds.MaxMessage)))); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, u); n != bounds.MaxMessage || connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestREST_ABodyThatEndsWrong is the client's fault, said as JSON.
func TestREST_ABodyThatEndsWrong(t *testing.T) {
	url, _ := serve(t)
	for name, rest := range map[string]string{
		"cut short":      "Content-Length: 10\r\n\r\n{}",
		"no chunk":       "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"chunks cut off": "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = io.WriteString(c, "POST /v1/configuration HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n"+rest)
		if err := errors.Join(err, c.(*net.TCPConn).CloseWrite()); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		said, _ := io.ReadAll(res.Body)
		if res.StatusCode != 400 || !strings.Contains(string(said), "can't be read to its end") {
			t.Errorf("%s: %d %s", name, res.StatusCode, said)
		}
	}
}

// TestREST_ABodyThatStandsStill is told of without the addresses of the connection.
func TestREST_ABodyThatStandsStill(t *testing.T) {
	err := error(&net.OpError{Op: "read", Net: "tcp", Addr: &net.TCPAddr{Port: 7080}, Err: os.ErrDeadlineExceeded})
	b := &body{}
	b.failed.Store(&err)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/configuration", nil)
	r.Body = b
	understood{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })}.ServeHTTP(w, r)
	if said := w.Body.String(); w.Code != 400 || !strings.Contains(said, "nothing more came for 10s") || strings.Contains(said, "7080") {
		t.Errorf("%d %s", w.Code, said)
	}
}

// TestREST_AsksForAToken as HTTP has it, whoever answers: the transcoder, or a stream.
func TestREST_AsksForAToken(t *testing.T) {
	url, _ := serve(t)
	res, err := http.Get(url + "/v1/dns/1001")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	stream := httptest.NewRecorder()
	fail(stream, codes.Unauthenticated, "a token, please")
	for _, r := range []*http.Response{res, stream.Result()} {
		if r.StatusCode != 401 || r.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%d, %v", r.StatusCode, r.Header)
		}
	}
}
