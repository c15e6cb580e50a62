package contact

import (
	"log/slog"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

func TestOwner_OfAContact(t *testing.T) {
	s, err := location.Open(location.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for n, contacts := range map[dn.Number][]string{
		"1001": {"sip:k3x@a1.invalid;transport=ws"},
		"1002": {"sip:1002-0x7f@10.0.0.2:5062", "sip:1002@10.0.0.3"},
		"1003": {"sip:one@10.0.0.4:5060"},
		"1004": {"sip:two@10.0.0.4:5060"},
	} {
		e := &location.Entry{Record: dn.Record{Number: n, State: dn.InSrv, ClaimTime: 1}}
		for _, c := range contacts {
			e.Bindings = append(e.Bindings, location.Binding{Contact: c, CallID: "c", Expires: time.Now().Add(time.Hour)})
		}
		s.Put(e)
	}
	for uri, want := range map[string]dn.Number{
		"sip:k3x@A1.invalid;transport=ws":    "", // looked for as it is written
		"sip:k3x@a1.invalid;transport=ws;ob": "1001",
		"sip:k3x@a1.invalid":                 "1001",
		"sip:other@a1.invalid":               "1001",
		"sip:1002-0x7f@10.0.0.2:5062":        "1002",
		"sip:1002-0x7f@10.0.0.2":             "",
		"sip:1002-0x7f@10.0.0.2:506":         "",
		"sip:1002@10.0.0.3;transport=tcp":    "1002",
		"sip:one@10.0.0.4:5060":              "1003",
		"sip:two@10.0.0.4:5060;x=y":          "1004",
		"sip:three@10.0.0.4:5060":            "", // either of two
		"tel:1002":                           "",
		"1002":                               "",
	} {
		if got := Owner(s, uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}
