package enrolment

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// TestKeeper_RegistersAgainWhenItsConnectionIsGone: a carrier that calls by the connection
// alone by which a node registered has none then. One that ends each connection soon is left
// alone.
func TestKeeper_RegistersAgainWhenItsConnectionIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended chan struct{} // guarded by mu of r, as answer
		r := &registrar{}
		r.answer = func(q *Request) Answer {
			ended = make(chan struct{})
			return Answer{Code: 200, Expires: q.Expires, Ended: ended}
		}
		lose := func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			select {
			case <-ended:
			default:
				close(ended)
			}
		}
		x := newNodes(t, r, "a")
		x.trunk(&configpb.TrunkRegistration{ExpiresS: 3600})
		passes(2 * time.Minute)
		asked := len(r.since(0))
		lose()
		synctest.Wait()
		if all := r.since(asked); len(all) != 1 || all[0].Expires != time.Hour {
			t.Fatalf("after a long time %+v", all)
		}
		end := func(during time.Duration) (asked int) {
			before := len(r.since(0))
			for at := time.Now(); time.Since(at) < during; passes(time.Second) {
				synctest.Wait()
				lose()
			}
			return len(r.since(before))
		}
		if n := end(30 * time.Minute); n < 8 || n > 14 {
			t.Errorf("a carrier that ends each connection is asked %d times in half an hour", n)
		}
		if n := end(time.Hour); n < 10 || n > 13 {
			t.Errorf("then it is asked %d times in an hour", n)
		}
		x.trunk(nil)
	})
}
