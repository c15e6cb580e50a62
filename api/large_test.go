package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// However many DNs there are, known to the configuration, to the table or to
// both, a list has each of them once and in order, in pages of any size.
func TestListDNs_OfManyHasEachOnce(t *testing.T) {
	for _, many := range []int{firstChunk - 1, firstChunk, firstChunk + 1, 3 * firstChunk, 7*firstChunk + 1, 2000} {
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			var want []string
			var mutations []*configpb.Mutation
			for i := range many {
				want = append(want, fmt.Sprint(10_000+i))
				if i%3 != 0 {
					mutations = append(mutations, putDN(sipDN(want[i])))
				}
			}
			s := newSite(t, mutations...)
			for i, n := range want {
				if i%3 != 1 {
					s.table.Register(dn.Number(n), dn.Registered)
				}
			}
			for _, size := range []int{7, firstChunk, 10_000} {
				var got []string
				req := &tcpb.ListDNsRequest{PageSize: uint32(size)}
				for req.PageToken != "" || got == nil {
					p, err := s.client.ListDNs(t.Context(), req)
					if err != nil || len(p.GetDns()) == 0 || len(got) > many {
						t.Fatalf("a page behind %q of %d: %v", req.PageToken, len(got), err)
					}
					got = append(got, numbers(p.GetDns())...)
					req.PageToken = p.GetNextPageToken()
				}
				if !slices.Equal(got, want) {
					t.Errorf("in pages of %d: %d of %d DNs, or not in order", size, len(got), many)
				}
			}
		})
	}
}

func TestHTTP_SaysOneWord(t *testing.T) {
	var ready error
	h := NewHTTP(HTTPConfig{Ready: func() error { return ready }})
	says := func(path, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Body.String(); got != want {
			t.Errorf("%s says %q, want %q", path, got, want)
		}
	}
	says("/healthz", "ok\n")
	says("/readyz", "ok\n")
	ready = errors.New("joining")
	says("/readyz", "joining\n")
	says("/healthz", "ok\n")
}

func TestHTTP_DebugIsForThoseWhoAsk(t *testing.T) {
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/profile", "/debug/pprof/trace"} {
		for _, debug := range []bool{true, false} {
			_, pattern := NewHTTP(HTTPConfig{Debug: debug}).(*http.ServeMux).Handler(httptest.NewRequest(http.MethodGet, path, nil))
			if want := "GET " + path; debug && pattern != want && path != "/debug/pprof/heap" || (pattern != "") != debug {
				t.Errorf("%s, debug %v: served by %q", path, debug, pattern)
			}
		}
	}
}
