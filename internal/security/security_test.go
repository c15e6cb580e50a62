package security_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/security"
)

func told(t *testing.T) (*security.Events, func() []string) {
	t.Helper()
	var b bytes.Buffer
	return security.New(slog.New(slog.NewTextHandler(&b, nil))), func() []string {
		defer b.Reset()
		return strings.Split(strings.TrimSpace(b.String()), "\n")
	}
}

func counts(e *security.Events) map[security.Kind]uint64 {
	all := map[security.Kind]uint64{}
	e.Counts(func(k security.Kind, n uint64) { all[k] = n })
	return all
}

func TestEvent_IsOneLineWithItsKind(t *testing.T) {
	e, lines := told(t)
	e.Event(security.AuthFailed, "source", "192.0.2.1")
	e.Event(security.NodeJoined, "peer", "sip2")
	got := lines()
	for i, want := range []string{"level=WARN", "level=INFO"} {
		if !strings.Contains(got[i], want) {
			t.Errorf("line %q lacks %s", got[i], want)
		}
	}
	if !strings.Contains(got[0], "security=auth-failed source=192.0.2.1") || !strings.Contains(got[1], "security=node-joined peer=sip2") {
		t.Errorf("got %q", got)
	}
	if n := counts(e); n[security.AuthFailed] != 1 || n[security.NodeJoined] != 1 || n[security.Banned] != 0 || len(n) < 8 {
		t.Errorf("counted %v", n)
	}
}

func TestEvent_LinesAreLimitedAKindAndCountsAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, lines := told(t)
		for range 1000 {
			e.Event(security.AuthFailed)
		}
		if n := len(lines()); n != 20 {
			t.Errorf("%d lines at once, want 20", n)
		}
		e.Event(security.Banned)
		if n := lines(); !strings.Contains(n[0], "security=banned") {
			t.Errorf("another kind was held back: %q", n)
		}
		<-time.After(time.Second)
		for range 100 {
			e.Event(security.AuthFailed)
		}
		got := lines()
		if len(got) != 5 || !strings.Contains(got[0], "skipped=980") || strings.Contains(got[1], "skipped") {
			t.Errorf("after a second: %q", got)
		}
		if n := counts(e); n[security.AuthFailed] != 1100 {
			t.Errorf("counted %v", n)
		}
	})
}

func TestEvent_OfNobodyIsNothing(t *testing.T) {
	var e *security.Events
	e.Event(security.Banned)
	if n := counts(e); len(n) != 0 {
		t.Errorf("counted %v", n)
	}
}
