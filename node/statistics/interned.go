package statistics

// interned gives values that occur often a small number, as long as somebody holds it.
type interned[T comparable] struct {
	of     map[T]uint32
	values []T
	held   []uint32
	free   []uint32
}

// hold returns the value's number, which release gives back.
func (x *interned[T]) hold(v T) uint32 {
	id, known := x.of[v]
	switch {
	case known:
	case len(x.free) > 0:
		id = x.free[len(x.free)-1]
		x.free = x.free[:len(x.free)-1]
		x.values[id] = v
	default:
		id = uint32(len(x.values)) // a node knows fewer DNs than that
		x.values, x.held = append(x.values, v), append(x.held, 0)
	}
	if !known {
		if x.of == nil {
			x.of = map[T]uint32{}
		}
		x.of[v] = id
	}
	x.held[id]++
	return id
}

func (x *interned[T]) release(id uint32) {
	if x.held[id]--; x.held[id] > 0 {
		return
	}
	delete(x.of, x.values[id])
	var none T
	x.values[id] = none
	x.free = append(x.free, id)
}
