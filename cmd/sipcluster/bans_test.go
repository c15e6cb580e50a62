package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestBans_AreListedAndCleared: a phone with a wrong password is not answered any more,
// until the operator clears that.
func TestBans_AreListedAndCleared(t *testing.T) {
	cfg := oneNode(t)
	o := operator{t, cfg.TCAddr}
	o.does("secret\n", "dn", "put", "1001", "--password-file", "-")
	clienttest.Same(t, o.does("", "bans", "list", "-o", "json"), "[]\n")
	clienttest.Same(t, o.does("", "bans", "list"), "SOURCE  DN  FAILURES  LEFT\n")
	phone := func(password string) *siptest.Phone {
		p, err := siptest.NewPhone(siptest.Config{DN: "1001", Password: password, Domain: "example.org", Server: cfg.SIPAddr})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	for range 10 {
		if err := accepted(phone("wrong").Register(t.Context(), time.Minute)); err == nil {
			t.Fatal("a wrong password was accepted")
		}
	}
	var list []struct {
		Source, DN string
		Failures   int
		Until      time.Time
	}
	if err := json.Unmarshal([]byte(o.does("", "bans", "list", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Source != "127.0.0.1" || list[0].DN != "1001" || list[0].Failures != 10 || time.Until(list[0].Until).Abs() > time.Minute {
		t.Errorf("%+v", list)
	}
	if out := o.does("", "bans", "list"); !strings.Contains(out, "\n127.0.0.1  1001        10  ") {
		t.Errorf("%q", out)
	}
	clienttest.Same(t, o.does("", "bans", "clear", "--source", "127.0.0.9"), "0 cleared\n")
	clienttest.Same(t, o.does("", "bans", "clear", "--dn", "1002"), "0 cleared\n")
	o.fails("", `bans clear: source "127.0.0.0/8": want an IP address, or an IPv6 network of 64 bits`, "bans", "clear", "--source", "127.0.0.0/8")
	clienttest.Same(t, o.does("", "bans", "clear", "--source", "127.0.0.1", "--dn", "1001"), "1 cleared\n")
	if err := accepted(phone("secret").Register(t.Context(), time.Minute)); err != nil {
		t.Error(err)
	}
}
