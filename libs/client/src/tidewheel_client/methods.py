"""Turns an operation into a method, with its arguments, their types and its docstring: one line for each colour.

get = Calling(get_task)     # client.tasks.get(task_id) -> Task
get = Awaiting(get_task)    # await client.tasks.get(task_id)
list = Paging(list_of_tasks)        # for task in client.tasks.list(tag="eu")
list = AsyncPaging(list_of_tasks)   # async for task in client.tasks.list(tag="eu")
"""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, ParamSpec, TypeVar

from tidewheel_client.call import Call, Listing
from tidewheel_client.caller import AsyncCaller, Caller

P = ParamSpec("P")
T = TypeVar("T")


class Resource:
    """A group of operations of a blocking client."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller


class AsyncResource:
    """A group of operations of an asynchronous client."""

    def __init__(self, caller: AsyncCaller) -> None:
        self.caller = caller


class Calling(Generic[P, T]):
    """A method that blocks until the operation is done."""

    def __init__(self, operation: Callable[P, Call[T]]) -> None:
        self._operation = operation

    def __get__(self, resource: Resource, owner: type[Resource]) -> Callable[P, T]:
        """Bind the method to a resource."""

        @functools.wraps(self._operation)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return resource.caller.call(self._operation(*args, **kwargs))

        return call


class Awaiting(Generic[P, T]):
    """A method whose coroutine ends when the operation is done."""

    def __init__(self, operation: Callable[P, Call[T]]) -> None:
        self._operation = operation

    def __get__(self, resource: AsyncResource, owner: type[AsyncResource]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Bind the method to a resource."""

        @functools.wraps(self._operation)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return await resource.caller.call(self._operation(*args, **kwargs))

        return call


class Paging(Generic[P, T]):
    """A method that iterates over all pages of a list, and asks for each when it is needed."""

    def __init__(self, operation: Callable[P, Listing[T]]) -> None:
        self._operation = operation

    def __get__(self, resource: Resource, owner: type[Resource]) -> Callable[P, Iterator[T]]:
        """Bind the method to a resource."""

        @functools.wraps(self._operation)
        def iterate(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
            listing = self._operation(*args, **kwargs)
            page = resource.caller.call(listing.first)
            yield from page.data
            while page.next_cursor is not None:
                page = resource.caller.call(listing.following(page.next_cursor))
                yield from page.data

        return iterate


class AsyncPaging(Generic[P, T]):
    """A method that iterates over all pages of a list, and asks for each when it is needed."""

    def __init__(self, operation: Callable[P, Listing[T]]) -> None:
        self._operation = operation

    def __get__(self, resource: AsyncResource, owner: type[AsyncResource]) -> Callable[P, AsyncIterator[T]]:
        """Bind the method to a resource."""

        @functools.wraps(self._operation)
        async def iterate(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
            listing = self._operation(*args, **kwargs)
            page = await resource.caller.call(listing.first)
            for row in page.data:
                yield row
            while page.next_cursor is not None:
                page = await resource.caller.call(listing.following(page.next_cursor))
                for row in page.data:
                    yield row

        return iterate
