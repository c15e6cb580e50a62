package problem_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/problem"
)

// lines is a log without times.
func lines() (*slog.Logger, func() string) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "since" {
			return slog.Attr{}
		}
		return a
	}}))
	return log, func() string { defer b.Reset(); return b.String() }
}

func wants(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("the log has\n%s\nwant\n%s", got, want)
	}
}

const (
	begins = `level=WARN msg=problem problem=store-stalled subject=journal text="the journal stalls" advice="look at the disk"` + "\n"
	lasts  = `level=WARN msg="problem lasts" problem=store-stalled subject=journal text="the journal stalls" advice="look at the disk"` + "\n"
)

var stalled = problem.Problem{Code: "store-stalled", Subject: "journal", Text: "the journal stalls", Advice: "look at the disk"}

// A fault that lasts is a line at its begin, one a minute and one at its end,
// however often it is reported or looked up.
func TestSet_AFaultThatLastsIsALineAMinute(t *testing.T) {
	for _, how := range []string{"reported", "looked up"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, told := lines()
				s := problem.New(log)
				var there atomic.Bool
				report := there.Store
				if how == "reported" {
					report = func(is bool) {
						if is {
							s.Begin(stalled)
						} else {
							s.End(stalled.Code, stalled.Subject)
						}
					}
				} else {
					s.Follow(func(report func(problem.Problem)) {
						if there.Load() {
							report(stalled)
						}
					})
				}
				ctx, cancel := context.WithCancel(t.Context())
				go func() { _ = s.Run(ctx) }()
				began := time.Now()
				for range 150 {
					report(true)
					synctest.Wait()
					<-time.After(time.Second)
				}
				synctest.Wait()
				wants(t, told(), begins+lasts+lasts)
				if l := s.List(); len(l) != 1 || l[0].Since.Sub(began) > time.Second || l[0].Text != stalled.Text || l[0].Advice != stalled.Advice {
					t.Errorf("listed: %+v", l)
				}
				report(false)
				<-time.After(time.Second)
				synctest.Wait()
				if got := told(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, `level=INFO msg="problem is over" problem=store-stalled subject=journal lasted=2m`) {
					t.Errorf("at the end:\n%s", got)
				}
				if l := s.List(); len(l) != 0 {
					t.Errorf("behind the end: %+v", l)
				}
				cancel()
			})
		})
	}
}

// One that comes and goes all the time doesn't fill the log either.
func TestSet_AFaultThatComesAndGoesIsALineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, told := lines()
		s := problem.New(log)
		for range 3000 { // five minutes
			s.Begin(stalled)
			<-time.After(50 * time.Millisecond)
			s.End(stalled.Code, stalled.Subject)
			<-time.After(50 * time.Millisecond)
		}
		if n := strings.Count(told(), "\n"); n != 10 { // begin and end, a minute
			t.Errorf("%d lines in five minutes", n)
		}
	})
}

func TestSet_ListsByCodeAndSubjectWithTheBeginThatIsTold(t *testing.T) {
	log, _ := lines()
	s := problem.New(log)
	since := time.Unix(100, 0)
	s.Begin(problem.Problem{Code: "b", Subject: "2", Text: "two", Since: since})
	s.Begin(problem.Problem{Code: "b", Subject: "1", Text: "one"})
	s.Follow(func(report func(problem.Problem)) { report(problem.Problem{Code: "a", Text: "of a source"}) })
	s.Begin(problem.Problem{Code: "b", Subject: "2", Text: "two\nworse", Advice: "do"}) // since the same time
	s.End("b", "3")
	var got []string
	for _, p := range s.List() {
		got = append(got, fmt.Sprint(p.Code, p.Subject, " ", p.String(), " ", p.Since.Equal(since)))
	}
	if want := "[a of a source false b1 one false b2 two; worse: do true]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	counts := map[string]int{}
	s.End("b", "1")
	s.End("b", "2")
	s.Counts(func(code string, n int) { counts[code] = n })
	if fmt.Sprint(counts) != "map[a:1 b:0]" {
		t.Errorf("counts %v", counts)
	}
}

// Whoever can make faults, by names of his own, can't fill the memory.
func TestSet_IsBounded(t *testing.T) {
	s := problem.New(slog.New(slog.DiscardHandler))
	for i := range 1000 {
		s.Begin(problem.Problem{Code: "clone", Subject: fmt.Sprint(i)})
	}
	if n := len(s.List()); n != 256 {
		t.Errorf("%d problems are kept", n)
	}
}
