package lasting_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/lasting"
)

func lines() (*slog.Logger, func() string) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "since" {
			return slog.Attr{}
		}
		return a
	}}))
	return log, func() string { defer b.Reset(); return strings.TrimSpace(b.String()) }
}

func TestFault_IsALineAtItsBeginOneAMinuteAndOneAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, told := lines()
		f := lasting.New(log, slog.LevelWarn, "it fails", "it works again")
		f.Over() // there was none
		for range 15 {
			f.Met("err", errors.New("no room"))
			<-time.After(10 * time.Second)
		}
		f.Over()
		f.Over()
		want := `level=WARN msg="it fails" err="no room"
level=WARN msg="it fails" err="no room" times=6
level=WARN msg="it fails" err="no room" times=6
level=INFO msg="it works again" lasted=2m20s`
		if got := told(); got != want {
			t.Errorf("the log has\n%s\nwant\n%s", got, want)
		}
	})
}

func TestFault_ThatComesAndGoesHasNoMoreLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, told := lines()
		f := lasting.New(log, slog.LevelInfo, "it fails", "it works again")
		for range 3000 { // five minutes
			f.Met()
			<-time.After(100 * time.Millisecond)
			f.Over()
		}
		if n := strings.Count(told(), "level="); n != 10 {
			t.Errorf("%d lines in five minutes", n)
		}
	})
}
