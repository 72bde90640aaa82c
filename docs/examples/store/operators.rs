//! A proxy compares, prints and computes like its object. Each of these resolves it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Shl, Shr, Sub};

use super::proxy::Proxy;

impl<T: PartialEq + Send + Sync + 'static> PartialEq for Proxy<T> {
    fn eq(&self, other: &Proxy<T>) -> bool {
        **self == **other
    }
}

impl<T: PartialEq + Send + Sync + 'static> PartialEq<T> for Proxy<T> {
    fn eq(&self, other: &T) -> bool {
        **self == *other
    }
}

impl<T: Eq + Send + Sync + 'static> Eq for Proxy<T> {}

impl<T: PartialOrd + Send + Sync + 'static> PartialOrd for Proxy<T> {
    fn partial_cmp(&self, other: &Proxy<T>) -> Option<Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: PartialOrd + Send + Sync + 'static> PartialOrd<T> for Proxy<T> {
    fn partial_cmp(&self, other: &T) -> Option<Ordering> {
        (**self).partial_cmp(other)
    }
}

impl<T: Ord + Send + Sync + 'static> Ord for Proxy<T> {
    fn cmp(&self, other: &Proxy<T>) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: Hash + Send + Sync + 'static> Hash for Proxy<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug + Send + Sync + 'static> fmt::Debug for Proxy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display + Send + Sync + 'static> fmt::Display for Proxy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<U: ?Sized, T: AsRef<U> + Send + Sync + 'static> AsRef<U> for Proxy<T> {
    fn as_ref(&self) -> &U {
        (**self).as_ref()
    }
}

impl<'a, T: Send + Sync + 'static> IntoIterator for &'a Proxy<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (**self).into_iter()
    }
}

/// Implements `&proxy + x` wherever `&object + x` is implemented.
macro_rules! binary {
    ($($operator:ident $method:ident)*) => {$(
        impl<'a, R, T: Send + Sync + 'static> $operator<R> for &'a Proxy<T>
        where
            &'a T: $operator<R>,
        {
            type Output = <&'a T as $operator<R>>::Output;

            fn $method(self, right: R) -> Self::Output {
                (&**self).$method(right)
            }
        }
    )*};
}

binary!(Add add Sub sub Mul mul Div div Rem rem BitAnd bitand BitOr bitor BitXor bitxor Shl shl Shr shr);

/// Implements `-&proxy` wherever `-&object` is implemented.
macro_rules! unary {
    ($($operator:ident $method:ident)*) => {$(
        impl<'a, T: Send + Sync + 'static> $operator for &'a Proxy<T>
        where
            &'a T: $operator,
        {
            type Output = <&'a T as $operator>::Output;

            fn $method(self) -> Self::Output {
                (&**self).$method()
            }
        }
    )*};
}

unary!(Neg neg Not not);
