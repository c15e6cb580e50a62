package session

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestSchedule_Sessions: 10 s to open one, 10 s to read, a word within two, and
// the grace of a desktop to the second.
func TestSchedule_Sessions(t *testing.T) {
	t.Run("never opened", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, began := newOffice(t).wire(DefaultPort), time.Now()
			if err := patience.Receive(t, "the end of the session", w.ended); status.Code(err) != codes.DeadlineExceeded || time.Since(began) != 10*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	})
	t.Run("does not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newOffice(t).connect(TCport, nil)
			w.reading.Store(false)
			began := time.Now()
			if err := patience.Receive(t, "the end of the session", w.ended); status.Code(err) != codes.ResourceExhausted || time.Since(began) < 10*time.Second || time.Since(began) > 12*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	})
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t)
			w := o.connect(TCport, nil)
			w.ask(registerAddress("2001", watched))
			o.table.Register("1001", dn.Registered) // nothing that it hears of
			<-time.After(2 * time.Second)
			synctest.Wait()
			if w.position() != o.table.Head() {
				t.Errorf("it knows position %d of %d", w.position(), o.table.Head())
			}
		})
	})
	t.Run("grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t)
			o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
			gws := o.connect(TCport, nil)
			gws.ask(registerAddress("2001", private))
			gws.hangUp()
			synctest.Wait()
			for _, x := range []struct {
				after time.Duration
				want  dn.State
			}{{30*time.Second - time.Millisecond, dn.InSrv}, {time.Millisecond, dn.OOS}} {
				<-time.After(x.after)
				synctest.Wait()
				if st, _ := o.table.Get("2001"); st.State != x.want {
					t.Errorf("%v later: %+v", x.after, st)
				}
			}
		})
	})
}
